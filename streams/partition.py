"""One partition of `responses`: decode, count, judge. Pure: the worker and a dry run of `halt400 replay` share it.

What follows from an event is returned, not done: the caller sends offences, commands and refusals, and says when the
broker has them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from halt400.diagnosis import Profile
from halt400.records import (
    Command,
    Diagnosis,
    Fingerprints,
    Milliseconds,
    Name,
    Offence,
    ResponseEvent,
    Scope,
    Source,
    Status,
)
from halt400.windows import Row, decode_row, encode_row, window_counts

__all__ = ["CountedEvent", "Outcome", "PartitionState", "Record", "Refusal", "Rules", "command_id", "decode_counted"]

WINDOWS_ON_COMMANDS_S = (60, 300, 3600)
ISSUER = "halt400.detect"
LESSONS = 2
"""Successes of one fold that profiles learn from: all of them in light traffic, a sample where folds are large."""
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)
"""What hostile bytes can raise while they are decoded; TypeError is a null value."""


class Record(NamedTuple):
    """A Kafka record as far as this module looks at it; aiokafka's records have the same attributes."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class CountedResponse(Struct, gc=False):
    """The part of a response that is counted."""

    status: Status


class CountedEvent(Struct, gc=False):
    """What is read of every event. Only a 400 is decoded whole: two to three times the cost."""

    target: Name
    job_id: Name
    time: Milliseconds
    response: CountedResponse
    version: Literal[1] = 1


decode_counted = msgspec.json.Decoder(CountedEvent).decode
_decode_event = msgspec.json.Decoder(ResponseEvent).decode
_decode_profile = msgspec.msgpack.Decoder(Profile).decode
_encode_profile = msgspec.msgpack.Encoder().encode


class Refusal(NamedTuple):
    """A record that is no event of ours; it goes to the dead-letter topic whole. `code` is stable."""

    record: Record
    code: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What followed from some records, in their order."""

    offences: list[Offence] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.offences or self.commands or self.refusals)


class Diagnose(Protocol):
    """Finds what is wrong with the request of a 400.

    Beside the event it gets what good requests to the target look like, and the target's 400s / all of the last hour.
    """

    def __call__(
        self, event: ResponseEvent, profile: Profile | None, malformed_payload_ratio: float | None, /
    ) -> Diagnosis | None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What the judgement of a partition rests on; the same for every partition.

    Parameters
    ----------
    archive_uri
        ``archive_uri(source, target, time_ms)``: where the evidence of an offence will lie.
    partition_of
        ``partition_of(key)``: the partition that a key belongs to.
    latest_command
        ``latest_command(scope_id)``: the last command known of a scope, None where there is none.
    skew_ms, old_news_ms, hold_ms
        See `streams.settings.DetectionSettings`.
    """

    archive_uri: Callable[[Source, str, int], str]
    partition_of: Callable[[bytes], int]
    latest_command: Callable[[str], Command | None]
    fingerprints: Callable[[ResponseEvent], Fingerprints] | None = None
    diagnose: Diagnose | None = None
    skew_ms: int = 30_000
    old_news_ms: int = 900_000
    hold_ms: int = 900_000


def command_id(scope_id: str, state: str, cause: str) -> str:
    """Derive a command's id from what caused it: the same cause, after a crash too, gives the same id."""
    return "cmd-" + blake2b(f"{scope_id}\n{state}\n{cause}".encode(), digest_size=16).hexdigest()


class _Target:
    """A target in memory: its name, its row, and what good requests to it look like."""

    __slots__ = ("name", "profile", "row")

    def __init__(self, name: str, row: Row) -> None:
        self.name, self.row = name, row
        self.profile = _decode_profile(row.profile) if row.profile else None

    def encode(self) -> bytes:
        """The row for the changelog."""
        if self.profile is not None:
            self.row.profile = _encode_profile(self.profile)
        return encode_row(self.row)


class PartitionState:
    """Everything known of the targets of one partition.

    Parameters
    ----------
    recovered
        Rows of the changelog by key; a row is taken out of it when its target is first seen.
    """

    def __init__(self, topic: str, partition: int, rules: Rules, recovered: dict[bytes, bytes] | None = None) -> None:
        self.topic, self.partition = topic, partition
        self.next_offset = -1
        """One behind the last record that was applied, -1 before the first."""
        self._rules = rules
        self._recovered = recovered if recovered is not None else {}
        self._targets: dict[bytes, _Target] = {}
        self._dirty: set[bytes] = set()
        self._commands: dict[str, Command] = {}

    def apply(self, records: Iterable[Record], now_ms: int) -> Outcome:
        """Count and judge records in their order; `now_ms` is when they are read.

        A record that this process has applied before is passed over, so is one that the target's recovered row
        includes: what followed from it was on the broker before the row was.
        """
        outcome, lessons = Outcome(), LESSONS
        targets, dirty, skew_ms, next_offset = self._targets, self._dirty, self._rules.skew_ms, self.next_offset
        for record in records:
            offset = record.offset
            if offset < next_offset:
                continue
            next_offset = offset + 1
            try:
                event = decode_counted(record.value)  # type: ignore[arg-type]
            except UNDECODABLE:
                outcome.refusals.append(_refuse_undecodable(record))
                continue
            key = record.key
            target = targets.get(key)  # type: ignore[arg-type]
            if target is None or target.name != event.target:
                admitted = self._admit(record, event.target)
                if isinstance(admitted, Refusal):
                    outcome.refusals.append(admitted)
                    continue
                target = admitted
            row = target.row
            if offset <= row.offset:
                continue
            status, time_ms = event.response.status, event.time
            skewed = time_ms > record.timestamp + skew_ms
            if skewed:
                time_ms = record.timestamp
            if status == 400:
                try:
                    whole = _decode_event(record.value)  # type: ignore[arg-type]
                except UNDECODABLE as error:
                    outcome.refusals.append(Refusal(record, "invalid_event", f"a 400 must be whole: {error}"))
                    continue
                row.count(time_ms, status)
                self._judge(whole, target, offset, time_ms, now_ms, outcome)
            else:
                row.count(time_ms, status)
                if lessons and status < 300 and b'"headers"' in record.value:  # type: ignore[operator]
                    lessons -= _learn(target, record.value, time_ms)  # type: ignore[arg-type]
            row.offset = offset
            if skewed:
                row.skewed += 1
            dirty.add(key)  # type: ignore[arg-type]
        self.next_offset = next_offset
        return outcome

    def take_changed(self) -> list[tuple[bytes, bytes]]:
        """The rows that changed since the last call, encoded for the changelog as they are at this moment."""
        targets = self._targets
        changed = [(key, targets[key].encode()) for key in self._dirty]
        self._dirty.clear()
        return changed

    def rows(self) -> dict[str, Row]:
        """Every row by target, recovered ones included."""
        found = {key.decode(): decode_row(value) for key, value in self._recovered.items()}
        return found | {target.name: target.row for target in self._targets.values()}

    def _admit(self, record: Record, name: str) -> "_Target | Refusal":
        key = record.key
        if key is None or key != name.encode():
            return Refusal(record, "key_mismatch", f"key {key!r} is not the target {name!r}: publish with key = target")
        if "/" in name or name != name.strip() or not name.isprintable():
            return Refusal(record, "invalid_target", f"target {name!r}: no slash, control character or outer space")
        belongs = self._rules.partition_of(key)
        if belongs != self.partition:
            return Refusal(
                record,
                "wrong_partition",
                f"target {name!r} belongs to partition {belongs}: publish with the murmur2 partitioner",
            )
        value = self._recovered.pop(key, None)
        target = self._targets[key] = _Target(name, decode_row(value) if value is not None else Row())
        return target

    def _judge(
        self, event: ResponseEvent, target: _Target, offset: int, time_ms: int, now_ms: int, outcome: Outcome
    ) -> None:
        """Policy `strict`: the first 400 of a job on a target halts that job on it."""
        rules, row = self._rules, target.row
        row.bad_request_seen = max(row.bad_request_seen, time_ms)
        source = Source(topic=self.topic, partition=self.partition, offset=offset)
        archive_uri = rules.archive_uri(source, event.target, event.time)
        windows = [window_counts(row, seconds, time_ms + 1).figures() for seconds in WINDOWS_ON_COMMANDS_S]
        ratio = windows[-1].bad_request_ratio
        diagnosis = rules.diagnose(event, target.profile, ratio) if rules.diagnose is not None else None
        scope = Scope(kind="job", target=event.target, job_id=event.job_id)
        scope_id = scope.id
        command = self._commands.get(scope_id) or rules.latest_command(scope_id)
        halted = command is not None and command.state == "quarantined" and command.expires_at > now_ms
        if not halted and now_ms - time_ms <= rules.old_news_ms:
            command = Command(
                command_id=command_id(scope_id, "quarantined", f"{self.topic}/{self.partition}/{offset}"),
                scope=scope,
                sequence=command.sequence + 1 if command is not None else 1,
                state="quarantined",
                reason=_reason(event, diagnosis),
                issued_by=ISSUER,
                opened_at=now_ms,
                issued_at=now_ms,
                expires_at=now_ms + rules.hold_ms,
                source=source,
                diagnosis=diagnosis,
                windows=windows,
                archive_uri=archive_uri,
            )
            self._commands[scope_id] = command
            outcome.commands.append(command)
            halted = True
        outcome.offences.append(
            Offence(
                target=event.target,
                event=event,
                source=source,
                archive_uri=archive_uri,
                seen_at=now_ms,
                command_id=command.command_id if halted and command is not None else None,
                fingerprints=rules.fingerprints(event) if rules.fingerprints is not None else None,
                diagnosis=diagnosis,
            )
        )


def _learn(target: _Target, value: bytes, time_ms: int) -> int:
    """Learn from a success that carries its request's headers; how many lessons that took, 0 or 1."""
    try:
        event = _decode_event(value)
    except UNDECODABLE:
        return 0
    if not event.request.headers:
        return 0
    if target.profile is None:
        target.profile = Profile()
    where = event.proxy.id if event.proxy is not None else event.region or ""
    target.profile.observe(event.request, time_ms=time_ms, where=where)
    return 1


def _reason(event: ResponseEvent, diagnosis: Diagnosis | None) -> str:
    found = f": {diagnosis.cause}" if diagnosis is not None else ""
    return f"400 Bad Request to {event.request.method} of job {event.job_id} on {event.target}{found}"


def _refuse_undecodable(record: Record) -> Refusal:
    """Say what is wrong with a record that the fast decoder refused, for the dead-letter topic's headers."""
    if record.value is None:
        return Refusal(record, "null_value", "the value is null: an event is a JSON object")
    try:
        msgspec.json.decode(record.value)
    except UNDECODABLE as error:
        return Refusal(record, "not_json", f"the value is not JSON: {error}")
    try:
        _decode_event(record.value)
    except UNDECODABLE as error:
        return Refusal(record, "invalid_event", f"the value is no ResponseEvent: {error}")
    return Refusal(record, "invalid_event", "the value is no ResponseEvent")
