"""The policies in force, and the system: how far everything has read, dead letters, sinks, versions."""

import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, get_args

from aiohttp import web

from halt400.errors import BrokerUnavailable
from streams import topics
from streams.api.log_models import DeadLetter, SentAlert
from streams.api.log_records import DLQ_TOPICS
from streams.api.problems import ProblemError
from streams.api.what_if import run_what_if
from streams.detection import Rule
from streams.page.context import PageContext, Pager, query_offset, query_text
from streams.page.group_lag import GroupLag, PartitionLag
from streams.replay.what_if import Changes

__all__ = ["ServicePageHandlers"]

LETTERS = 20
WHAT_IF_HOURS = 24
MOST_HOLD_S = 31_536_000
Policy = Literal["strict", "evidence"]
Tier = Literal["ticket", "page"]
PACKAGES = ("halt400", "faust-streaming", "aiokafka", "aiohttp", "msgspec")


@dataclass(frozen=True)
class SinkSummary:
    """What one sink was sent last; `undelivered` counts the incidents of which it took nothing."""

    name: str
    at: int
    incidents: int
    undelivered: int


class ServicePageHandlers:
    """Answers about the service."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lag = GroupLag(context.model.quarantines.follower.kafka)
        self.routes = [web.get("/policies", self.policies), web.get("/system", self.system)]

    async def policies(self, request: web.Request) -> web.Response:
        """Answer with the policies, and the rule for one target."""
        policies, file = self._context.model.policies()
        target = query_text(request, "target")
        rule = policies.rule_for(target) if target else None
        changed, problem = None, None
        if rule is not None and "hours" in request.query:
            try:
                model = self._context.model
                changes = _changes(request, rule)
                changed = await run_what_if(model.kafka, model.partitions, target, changes, WHAT_IF_HOURS)
            except ProblemError as error:
                problem = error.problem
        return self._context.page(
            request,
            "policies.html",
            policies=policies,
            file=file,
            target=target,
            rule=rule,
            query={name: query_text(request, name) for name in ("policy", "job_tier", "hold_min")},
            changed=changed,
            problem=problem,
        )

    async def system(self, request: web.Request) -> web.Response:
        """Answer with the state of the service, also while Kafka is away."""
        model = self._context.model
        lags, problem = await self._read_lag()
        letters, offset = model.logs.letters(DLQ_TOPICS), query_offset(request)
        errors = Counter(one.error for one in letters if _is_open(one))
        return self._context.page(
            request,
            "system.html",
            followers=model.follower_states(),
            readers=model.logs.readers,
            lags=lags,
            problem=problem,
            letters=letters[offset : offset + LETTERS],
            open_errors=errors.most_common(),
            has_alerts=any(one.topic == topics.ALERTS_DLQ for one in letters),
            pager=Pager.of(request, offset=offset, limit=LETTERS, total=len(letters)),
            may_operate=self._context.may_operate(request),
            sinks=_sinks(model.incidents.sent(target=None, sink=None, undelivered=None)),
            versions=[("Python", platform.python_version()), *((name, version(name)) for name in PACKAGES)],
            events=None,
        )

    async def _read_lag(self) -> tuple[list[PartitionLag], str | None]:
        try:
            return await self._lag.read(), None
        except BrokerUnavailable as error:
            return [], error.message


def _changes(request: web.Request, rule: Rule) -> Changes:
    """What the form changes of a rule; what is not given, or is as it was, stays."""
    minutes = query_text(request, "hold_min", longest=6)
    hold_s = 60 * int(minutes) if minutes.isascii() and minutes.isdigit() else 0
    policy, tier = query_text(request, "policy"), query_text(request, "job_tier")
    return Changes(
        policy=next((known for known in get_args(Policy) if known == policy), None),
        job_tier=next((known for known in get_args(Tier) if known == tier), None),
        hold_s=hold_s if 0 < hold_s <= MOST_HOLD_S and hold_s != rule.hold_s else None,
    )


def _is_open(letter: DeadLetter) -> bool:
    """Whether a dead letter can still be published again."""
    return letter.topic == topics.RESPONSES_DLQ and not letter.redriven


def _sinks(sent: Iterable[SentAlert]) -> list[SinkSummary]:
    """Sum up what was sent, the newest first, by sink."""
    by_name: dict[str, list[SentAlert]] = {}
    for alert in sent:
        by_name.setdefault(alert.sink, []).append(alert)
    return [
        SinkSummary(name, alerts[0].at, len(alerts), sum(alert.undelivered for alert in alerts))
        for name, alerts in sorted(by_name.items())
    ]
