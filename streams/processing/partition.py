"""The state of one partition: it applies events, operations and the passing of time to its targets. Pure.

What follows is returned as an `Outcome`; the caller sends it. The dry run uses the same code.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from halt400.records import UNDECODABLE, Command, Diagnosis, Offence, Operation, ResponseEvent, Source, WindowFigures
from halt400.windows import CLASS_OF_STATUS, FINE_MS, Row, window_counts
from streams.detection import (
    OriginCounts,
    RecentIds,
    RecordContext,
    apply_bad_request,
    apply_grant_decision,
    apply_operation,
    apply_time,
)
from streams.fleet_cap.log import GrantDecision, GrantRequest
from streams.processing.context import ProcessingContext
from streams.processing.decoding import CountedEvent, Record, RecordReader, Refusal, decode_event
from streams.processing.envelopes import EnvelopedRecord, EventRecord
from streams.processing.event_runs import EventRuns
from streams.processing.learning_pace import LearningPace
from streams.processing.outcome import Outcome
from streams.processing.target import TrackedTarget
from streams.processing.target_store import TargetStore
from streams.quarantine.ids import command_id

__all__ = ["Outcome", "PartitionState", "ProcessingContext", "Record", "Refusal"]

WINDOWS_ON_COMMANDS_S = (60, 300, 3600)


class PartitionState:
    """Everything known of the targets of one partition.

    Parameters
    ----------
    topic
        Full name of `responses`.
    recovered
        Rows of the changelog by key; a row is removed from it when its target is loaded.
    """

    def __init__(
        self, topic: str, partition: int, context: ProcessingContext, recovered: dict[bytes, bytes] | None = None
    ) -> None:
        self.topic, self.partition = topic, partition
        self.next_offset = -1
        """The offset after the last record that was applied, -1 before the first."""
        self.events = 0
        """Number of events that were read."""
        self._operations_offset = -1
        """The offset of the last operation that was applied, -1 before the first."""
        self._context = context
        self._reader = RecordReader(partition, context.partition_of, context.why_not_believed)
        self._targets = TargetStore(context, recovered if recovered is not None else {})
        self._ids = RecentIds()
        self._pace = LearningPace()

    def apply(self, records: Iterable[Record], now_ms: int) -> Outcome:
        """Apply response events in their order; `now_ms` is when they are read.

        A record is skipped when this process has applied it before, or when the target's recovered row includes it:
        what followed from it was on the broker before the row was.
        """
        outcome, to_profile = Outcome(), self._pace.allowance(now_ms)
        to_learn = to_profile
        targets, changed = self._targets.loaded, self._targets.changed
        skew_ms = self._context.skew_ms
        recent_ids, older_ids = self._ids.recent, self._ids.older
        runs = EventRuns(records, self.next_offset, (targets, changed, recent_ids, older_ids, skew_ms))
        runs.replays = is_replay = runs.first <= self._targets.recovered_offset
        runs.learns = to_profile > 0
        for events, sources, envelope in runs.read(self._reader, outcome.refusals):
            self.events += len(events)
            ids = {event.id for event in events}
            are_new = self._ids.are_new(ids, len(events))
            for event, record in zip(events, sources, strict=True):
                key = record.key
                if envelope is not None:
                    key = event.target.encode()
                target = targets.get(key)
                if target is None or target.name != event.target:
                    target = self._place(event, record, outcome)
                if target is None or (is_replay and record.offset <= target.row.offset):
                    ids.discard(event.id)
                    continue
                row = target.row
                status, time_ms = event.response.status, event.time
                if time_ms > record.timestamp + skew_ms:
                    time_ms = record.timestamp
                    row.skewed += 1
                if status == 400:
                    ids.discard(event.id)
                    if not self._apply_bad_request(key, target, event, record, time_ms, now_ms, outcome):
                        row.skewed -= time_ms != event.time
                        continue
                else:
                    bucket = time_ms // FINE_MS
                    if bucket == row.latest and not CLASS_OF_STATUS[status]:  # the commonest case of Row.count
                        row.responses[bucket] += 1
                    else:
                        row.count(time_ms, status)
                    if event.attempt == 1:  # streams.detection.requests.counts_as_trial
                        if are_new:
                            target.good[event.job_id] += 1
                        elif (event_id := event.id) not in recent_ids:
                            recent_ids.add(event_id)
                            if event_id not in older_ids:
                                target.good[event.job_id] += 1
                    else:
                        ids.discard(event.id)
                    if to_profile and status < 300 and b'"headers"' in record.value:
                        to_profile -= target.learn(record.value, time_ms)
                changed.add(key)
            if are_new:
                recent_ids |= ids
            if to_profile and envelope is not None:
                to_profile -= self._targets.learn(envelope, to_profile)
            runs.learns = to_profile > 0
        self.events += runs.counted
        self.next_offset = max(self.next_offset, runs.last + 1)
        self._pace.spend(to_learn - to_profile)
        self._ids.rotate()
        return outcome

    def _place(self, event: CountedEvent, record: Any, outcome: Outcome) -> TrackedTarget | None:
        """Load the target of an event; None where the event does not belong here, which is refused."""
        if isinstance(record, EnvelopedRecord):
            record = record.event_record(event)
        refusal = self._reader.check_place(record, event.target)
        if refusal is not None:
            outcome.refusals.append(refusal)
            return None
        return self._targets.load(record.key)

    def operate(self, topic: str, records: Iterable[Record], now_ms: int) -> Outcome:
        """Apply records of `operations`, full name `topic`; an operation that was applied before has no effect.

        A row has no offset of this topic: the target's state remembers the ids of its operations instead.
        """
        outcome, context = Outcome(), self._context
        policies = context.policies()
        for record in records:
            operation = self._reader.read_operation(record)
            if isinstance(operation, Refusal):
                outcome.refusals.append(operation)
                continue
            self._operations_offset = record.offset
            key = operation.scope.target.encode()
            target = self._targets.load(key)
            self._targets.changed.add(key)
            if self._was_applied(operation):
                target.state.remember_operation(operation.operation_id)
                continue
            record_context = RecordContext(
                source=Source(topic=topic, partition=self.partition, offset=record.offset),
                windows=partial(_figures, target.row, now_ms),
                latest_command=context.latest_command,
                is_operation=True,
                appended_ms=record.timestamp,
            )
            target.add_good_requests()
            decision = apply_operation(target.state, operation, now_ms, policies, record_context)
            outcome.add(decision, self._applied_to(target), self._operations_offset)
            self._targets.schedule(key, target)
        return outcome

    def tick(self, now_ms: int) -> Outcome:
        """Apply the passing of time: quarantines start to be probed, leases end."""
        outcome, context, targets = Outcome(), self._context, self._targets
        while targets.recovered_grants:
            key, grant_id = targets.recovered_grants.popitem()
            name = key.decode()
            granted = context.is_granted(name, grant_id)
            outcome.join(self.apply_grant_decision(GrantDecision(name, grant_id, self.partition, granted), now_ms))
        for key, target in targets.due(now_ms):
            target.add_good_requests()
            decision = apply_time(target.state, now_ms, context.policies())
            outcome.add(decision, self._applied_to(target), self._operations_offset)
            targets.changed.add(key)
            targets.schedule(key, target)
        if targets.recovered_grants:
            outcome.join(self.tick(now_ms))
        targets.let_idle_leave(now_ms)
        return outcome

    def apply_grant_decision(self, decision: GrantDecision, now_ms: int) -> Outcome:
        """Apply the fleet's decision on a target's grant; one that the target does not wait for has no effect."""
        outcome, key, targets = Outcome(), decision.target.encode(), self._targets
        target = targets.loaded.get(key)
        pending = target.state.pending_grant if target is not None else None
        if target is None or pending is None or pending.grant_id != decision.grant_id:
            return outcome
        targets.recovered_grants.pop(key, None)
        target.add_good_requests()
        context = self._context
        decided = apply_grant_decision(
            target.state,
            decision.grant_id,
            now_ms,
            context.policies(),
            granted=decision.granted,
            latest_command=context.latest_command,
        )
        outcome.add(decided, self._applied_to(target), self._operations_offset)
        targets.changed.add(key)
        targets.schedule(key, target)
        return outcome

    def take_changed(self) -> list[tuple[bytes, bytes]]:
        """The rows that changed since the last call, encoded for the changelog as they are now."""
        return self._targets.take_changed(self.next_offset - 1)

    def rows(self) -> dict[str, Row]:
        """Every row by target name, recovered ones included."""
        return self._targets.rows()

    def halting_command(self, target: str, job_id: str, fingerprint: str | None, now_ms: int) -> Command | None:
        """The command that halts such a request at `now_ms`, None where it may be sent."""
        found = self._targets.loaded.get(target.encode())
        return found.state.halting_command(job_id, fingerprint, now_ms) if found is not None else None

    def uses_grant(self, target: str) -> bool:
        """Whether the target is quarantined by machine, or waits for a grant."""
        found = self._targets.look_up(target)
        if found is None:
            return False
        quarantine = found.state.scopes.get(f"target/{target}")
        command = quarantine.command if quarantine is not None and quarantine.command.state != "released" else None
        by_machine = command is not None and command.source is not None and command.source.topic == self.topic
        return by_machine or found.state.pending_grant is not None

    @property
    def known_targets(self) -> int:
        """Number of targets, active or not."""
        return len(self._targets)

    def loaded_targets(self) -> list[TrackedTarget]:
        """The targets in memory: those with a response since the partition was recovered, or a scope that was due."""
        return list(self._targets.loaded.values())

    def active_targets(self, since_ms: int) -> int:
        """Number of targets with a response since `since_ms`."""
        return self._targets.count_active(since_ms)

    def active_origins(self) -> OriginCounts | None:
        """Where the jobs send from; None while most targets are not loaded since recovery."""
        return self._targets.active_origins()

    def _was_applied(self, operation: Operation) -> bool:
        """Whether a worker applied it and ended: its command is on `control`, the row that remembers it is not."""
        scope_id = operation.scope.id
        latest = self._context.latest_command(scope_id)
        return latest is not None and latest.command_id == command_id(scope_id, latest.state, operation.operation_id)

    def _applied_to(self, target: TrackedTarget) -> int:
        """The offset of the last response that the target includes."""
        return max(target.row.offset, self.next_offset - 1)

    def _apply_bad_request(
        self,
        key: bytes,
        target: TrackedTarget,
        counted: CountedEvent,
        record: Any,
        time_ms: int,
        now_ms: int,
        outcome: Outcome,
    ) -> bool:
        """Apply a 400 to its target, and add to the outcome: the offence, commands, findings, a grant request.

        False where the event is not whole, and is refused.
        """
        index: int | None = None
        if isinstance(record, EnvelopedRecord):
            record = record.event_record(counted)
        if isinstance(record, EventRecord):
            index = record.index
        try:
            event = decode_event(record.value)
        except UNDECODABLE as error:
            outcome.refusals.append(Refusal(record, "invalid_event", f"a 400 must be whole: {error}"))
            return False
        target.row.count(time_ms, 400)
        target.add_good_requests()
        context, row, state = self._context, target.row, target.state
        policies = context.policies()
        row.bad_request_seen = max(row.bad_request_seen, time_ms)
        source = Source(topic=self.topic, partition=self.partition, offset=record.offset, index=index or 0)
        archive_uri = context.archive_uri(source, event.target, event.time)
        diagnosis, fingerprints = self._diagnose(target, event, time_ms), context.fingerprints(event)
        record_context = RecordContext(
            source=source,
            archive_uri=archive_uri,
            windows=partial(_figures, row, time_ms + 1),
            time_ms=time_ms,
            latest_command=context.latest_command,
            appended_ms=record.timestamp,
        )
        known_scopes = len(state.scopes)
        decision = apply_bad_request(state, event, fingerprints, diagnosis, now_ms, policies, record_context)
        outcome.add(decision, record.offset, self._operations_offset, index)
        pending = decision.pending_grant
        if pending is not None:
            outcome.grant_requests.append(
                GrantRequest(
                    target=state.name,
                    grant_id=pending.grant_id,
                    partition=self.partition,
                    rules=policies.fleet,
                    origins=state.failing_origins(),
                )
            )
        if decision.commands or decision.withheld or len(state.scopes) != known_scopes:
            self._targets.schedule(key, target)
        outcome.offences.append(
            Offence(
                target=event.target,
                event=event,
                source=source,
                archive_uri=archive_uri,
                seen_at=now_ms,
                command_id=decision.halted_by,
                # The command of a granted quarantine, too, has this very 400 as its source.
                opens=pending is not None or state.was_opened_by(source, event.job_id, fingerprints.request),
                fingerprints=fingerprints,
                diagnosis=diagnosis,
            )
        )
        return True

    def _diagnose(self, target: TrackedTarget, event: ResponseEvent, time_ms: int) -> Diagnosis | None:
        diagnose = self._context.diagnose
        if diagnose is None:
            return None
        last_hour = window_counts(target.row, WINDOWS_ON_COMMANDS_S[-1], time_ms + 1)
        return diagnose(event, target.profile, last_hour.bad_request_ratio)


def _figures(row: Row, at_ms: int) -> list[WindowFigures]:
    return [window_counts(row, seconds, at_ms).figures() for seconds in WINDOWS_ON_COMMANDS_S]
