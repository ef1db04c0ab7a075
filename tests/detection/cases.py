"""Events and operations for the tests of detection."""

from collections.abc import Callable
from typing import Any

from halt400.records import (
    Client,
    Command,
    Diagnosis,
    Fingerprints,
    Operation,
    Proxy,
    Request,
    Response,
    ResponseEvent,
    Scope,
    Source,
)
from streams.detection import (
    Decision,
    Policies,
    RecordContext,
    TargetState,
    apply_bad_request,
    apply_operation,
    apply_time,
    decode_target_state,
    encode_target_state,
    parse_policies,
)
from streams.detection.decision import no_command

NOW = 1_700_000_000_000
MINUTE = 60_000
HOLD = 15 * MINUTE
TARGET = "api.shop.example"
STRICT = Policies()
EVIDENCE = parse_policies('[defaults]\npolicy = "evidence"\n')
CERTAIN = Diagnosis(cause="malformed_json", blame="request", confidence=0.97, remedy="Remove the trailing comma.")
DOUBTFUL = Diagnosis(cause="malformed_json", blame="request", confidence=0.6, remedy="Look at the body.")
WAF = Diagnosis(cause="waf_block", blame="waf", confidence=0.99, remedy="Change the fingerprint.")


def job_scope(job: str = "j") -> Scope:
    return Scope(kind="job", target=TARGET, job_id=job)


TARGET_SCOPE = Scope(kind="target", target=TARGET)


class Story:
    """A target through time; the state is encoded and decoded after every step, as through a changelog."""

    def __init__(self, policies: Policies = STRICT, *, history: int = 0, jobs: tuple[str, ...] = ("j",)) -> None:
        self.policies = policies
        self.state = TargetState(TARGET)
        self.now = NOW
        self.offset = 0
        self.commands: list[Command] = []
        self.latest_command: Callable[[str], Command | None] = no_command
        for job in jobs:
            self.state.mixture.gap += history
            self.state.job(job).mixture.gap += history

    def bad(
        self,
        number: int | str | None = None,
        *,
        job: str = "j",
        kind: str | None = None,
        attempt: int = 1,
        age_ms: int = 0,
        event_id: str | None = None,
        diagnosis: Diagnosis | None = None,
        worker: str | None = "w-1",
        release: str | None = "r-9",
        pool: str | None = None,
    ) -> Decision:
        """One 400; a new logical request of its own signature unless said otherwise."""
        self.offset += 1
        name = str(self.offset if number is None else number)
        event = ResponseEvent(
            id=event_id or f"event-{self.offset}",
            time=self.now - age_ms,
            target=TARGET,
            job_id=job,
            attempt=attempt,
            worker=worker,
            release=release,
            proxy=Proxy(id="p", pool=pool) if pool else None,
            client=Client(name="httpx", version="0.28"),
            request=Request(method="GET", url=f"https://{TARGET}/{name}"),
            response=Response(status=400),
        )
        prints = Fingerprints(request=name, signature=name if kind is None else kind)
        around = self.around()
        decision = apply_bad_request(self.state, event, prints, diagnosis, self.now, self.policies, around)
        return self.after(decision)

    def around(self) -> RecordContext:
        return RecordContext(
            source=Source(topic="halt400.responses", partition=0, offset=self.offset),
            archive_uri=f"file:///archive/{self.offset}",
            latest_command=self.latest_command,
        )

    def operate(self, kind: Any, scope: Scope | None = None, *, actor: str = "ana", **fields: Any) -> Decision:
        self.offset += 1
        operation = Operation(
            operation_id=fields.pop("operation_id", f"op-{self.offset}"),
            time=self.now,
            kind=kind,
            scope=scope or job_scope(),
            actor=actor,
            reason=fields.pop("reason", "because"),
            **fields,
        )
        return self.after(apply_operation(self.state, operation, self.now, self.policies, self.around()))

    def wait(self, ms: int) -> Decision:
        self.now += ms
        return self.after(apply_time(self.state, self.now, self.policies))

    def good(self, count: int, job: str = "j") -> None:
        for _ in range(count):
            self.state.good_request(job)

    def after(self, decision: Decision) -> Decision:
        data = encode_target_state(self.state)
        self.state = decode_target_state(data)
        assert encode_target_state(self.state) == data
        self.commands.extend(decision.commands)
        return decision
