"""One partition: its targets' events counted and judged, its operations and its time. Pure: shared with the dry run.

What follows is returned, not done: the caller sends it, and says when the broker has it.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from heapq import heapify, heappop, heappush

from halt400.records import UNDECODABLE, Command, Offence, Operation, ResponseEvent, Source, WindowFigures
from halt400.windows import FINE_S, Row, decode_row, window_counts
from streams.detection import (
    Origin,
    OriginCounts,
    RecentIds,
    RecordContext,
    apply_bad_request,
    apply_grant_decision,
    apply_operation,
    apply_time,
)
from streams.detection.scopes import restore_quarantine
from streams.fleet_cap.log import GrantDecision, GrantRequest
from streams.processing.context import ProcessingContext
from streams.processing.decoding import (
    Record,
    Refusal,
    check_place,
    decode_counted,
    decode_event,
    read_operation,
    refuse_undecodable,
)
from streams.processing.outcome import Outcome
from streams.processing.target import TrackedTarget, glance_at_row
from streams.quarantine.ids import command_id

__all__ = ["Outcome", "PartitionState", "ProcessingContext", "Record", "Refusal"]

WINDOWS_ON_COMMANDS_S = (60, 300, 3600)
LESSONS = 2
"""Successes of one fold that are decoded whole, to learn from: all in light traffic, a sample where folds are large."""


class PartitionState:
    """Everything known of the targets of one partition.

    Parameters
    ----------
    recovered
        Rows of the changelog by key; a row is taken out of it when its target is first seen.
    """

    def __init__(
        self, topic: str, partition: int, rules: ProcessingContext, recovered: dict[bytes, bytes] | None = None
    ) -> None:
        self.topic, self.partition = topic, partition
        self.next_offset = -1
        """One behind the last record that was applied, -1 before the first."""
        self._rules = rules
        self._recovered = recovered if recovered is not None else {}
        self._targets: dict[bytes, TrackedTarget] = {}
        self._dirty: set[bytes] = set()
        self._ids = RecentIds()
        self._recovered_grants: dict[bytes, str] = {}
        """Targets whose recovered rows wait for a grant: the fleet's log has the request, and the decision."""
        self._dues = [
            (glance.due_ms, key) for key, value in self._recovered.items() if (glance := glance_at_row(value)).due_ms
        ]
        heapify(self._dues)

    def apply(self, records: Iterable[Record], now_ms: int) -> Outcome:
        """Count and judge records in their order; `now_ms` is when they are read.

        A record that this process has applied before is passed over, so is one that the target's recovered row
        includes: what followed from it was on the broker before the row was.
        """
        outcome, lessons = Outcome(), LESSONS
        targets, dirty, skew_ms, next_offset = self._targets, self._dirty, self._rules.skew_ms, self.next_offset
        recent_ids, older_ids = self._ids.recent, self._ids.older
        for record in records:
            offset = record.offset
            if offset < next_offset:
                continue
            next_offset = offset + 1
            try:
                event = decode_counted(record.value)  # type: ignore[arg-type]
            except UNDECODABLE:
                outcome.refusals.append(refuse_undecodable(record))
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
                    whole = decode_event(record.value)  # type: ignore[arg-type]
                except UNDECODABLE as error:
                    outcome.refusals.append(Refusal(record, "invalid_event", f"a 400 must be whole: {error}"))
                    continue
                row.count(time_ms, status)
                self._judge(key, target, whole, offset, time_ms, now_ms, outcome)  # type: ignore[arg-type]
            else:
                row.count(time_ms, status)
                if event.attempt == 1:  # streams.detection.requests.counts_as_trial
                    event_id = event.id
                    if event_id not in recent_ids:
                        recent_ids.add(event_id)
                        if event_id not in older_ids:
                            target.good[event.job_id] += 1
                if lessons and status < 300 and b'"headers"' in record.value:  # type: ignore[operator]
                    lessons -= target.learn(record.value, time_ms)  # type: ignore[arg-type]
            row.offset = offset
            if skewed:
                row.skewed += 1
            dirty.add(key)  # type: ignore[arg-type]
        self.next_offset = next_offset
        self._ids.rotate()
        return outcome

    def operate(self, topic: str, records: Iterable[Record], now_ms: int) -> Outcome:
        """Carry out records of `operations`, full name `topic`; one that was carried out before does nothing.

        A row says nothing of offsets in this topic: the target's state remembers the operations' ids instead.
        """
        outcome = Outcome()
        policies = self._rules.policies()
        for record in records:
            operation = read_operation(record)
            if isinstance(operation, Refusal):
                outcome.refusals.append(operation)
                continue
            target = self._targets.get(operation.scope.target.encode())
            if target is None or record.key != target.name.encode():
                admitted = self._admit(record, operation.scope.target)
                if isinstance(admitted, Refusal):
                    outcome.refusals.append(admitted)
                    continue
                target = admitted
            key = target.name.encode()
            self._dirty.add(key)
            if self._was_carried_out(operation):
                target.state.remember_operation(operation.operation_id)
                continue
            around = RecordContext(
                source=Source(topic=topic, partition=self.partition, offset=record.offset),
                windows=partial(_figures, target.row, now_ms),
                latest_command=self._rules.latest_command,
            )
            target.settle()
            outcome.add(apply_operation(target.state, operation, now_ms, policies, around))
            self._schedule(key, target)
        return outcome

    def tick(self, now_ms: int) -> Outcome:
        """Do what time alone brings: holds end, leases run out."""
        outcome, dues = Outcome(), self._dues
        while self._recovered_grants:
            key, grant_id = self._recovered_grants.popitem()
            name = key.decode()
            granted = self._rules.is_granted(name, grant_id)
            outcome.join(self.apply_grant_decision(GrantDecision(name, grant_id, self.partition, granted), now_ms))
        while dues and dues[0][0] <= now_ms:
            due, key = heappop(dues)
            target = self._targets.get(key)
            if target is None:
                value = self._recovered.pop(key, None)
                if value is None:
                    continue
                target = self._take_in(key, value, key.decode())
            elif target.due != due:
                continue
            target.settle()
            outcome.add(apply_time(target.state, now_ms, self._rules.policies()))
            self._dirty.add(key)
            self._schedule(key, target)
        if self._recovered_grants:
            outcome.join(self.tick(now_ms))
        return outcome

    def apply_grant_decision(self, decision: GrantDecision, now_ms: int) -> Outcome:
        """Apply the fleet's decision on a target's grant; one that the target does not wait for does nothing."""
        outcome, key = Outcome(), decision.target.encode()
        target = self._targets.get(key)
        pending = target.state.pending_grant if target is not None else None
        if target is None or pending is None or pending.grant_id != decision.grant_id:
            return outcome
        self._recovered_grants.pop(key, None)
        target.settle()
        rules = self._rules
        outcome.add(
            apply_grant_decision(
                target.state,
                decision.grant_id,
                now_ms,
                rules.policies(),
                granted=decision.granted,
                latest_command=rules.latest_command,
            )
        )
        self._dirty.add(key)
        self._schedule(key, target)
        return outcome

    def uses_grant(self, target: str) -> bool:
        """Whether the target is quarantined by machine, or waits for a grant."""
        key = target.encode()
        known = self._targets.get(key)
        if known is None:
            value = self._recovered.pop(key, None)
            if value is None:
                return False
            known = self._take_in(key, value, target)
        quarantine = known.state.scopes.get(f"target/{target}")
        command = quarantine.command if quarantine is not None and quarantine.command.state != "released" else None
        by_machine = command is not None and command.source is not None and command.source.topic == self.topic
        return by_machine or known.state.pending_grant is not None

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

    def halting_command(self, target: str, job_id: str, fingerprint: str | None, now_ms: int) -> Command | None:
        """The command that halts such a request at `now_ms`, None where it may be sent."""
        known = self._targets.get(target.encode())
        return known.state.halting_command(job_id, fingerprint, now_ms) if known is not None else None

    @property
    def known_targets(self) -> int:
        """Number of targets, active or not."""
        return len(self._targets) + len(self._recovered)

    def active_targets(self, since_ms: int) -> int:
        """Number of targets with a response since `since_ms`."""
        touched = sum(target.row.latest * FINE_S * 1000 >= since_ms for target in self._targets.values())
        return touched + sum(glance_at_row(value).latest_ms >= since_ms for value in self._recovered.values())

    def active_origins(self) -> OriginCounts | None:
        """Where the jobs send from of which it is known; None while most targets were not looked at since recovery."""
        if len(self._recovered) > len(self._targets):
            return None
        return OriginCounts.of(self._origins())

    def _origins(self) -> Iterator[Origin]:
        for target in self._targets.values():
            yield from target.state.active_origins()

    def _admit(self, record: Record, name: str) -> TrackedTarget | Refusal:
        refusal = check_place(record, name, self.partition, self._rules.partition_of)
        if refusal is not None:
            return refusal
        key = name.encode()
        return self._take_in(key, self._recovered.pop(key, None), name)

    def _take_in(self, key: bytes, value: bytes | None, name: str) -> TrackedTarget:
        target = self._targets[key] = TrackedTarget.decode(value, name)
        state = target.state
        policies = self._rules.policies()
        for scope_id, quarantine in list(state.scopes.items()):
            # A command can be on `control` whose row was lost with its worker.
            latest = self._rules.latest_command(scope_id)
            if latest is not None and latest.sequence > quarantine.command.sequence:
                restore_quarantine(state, latest, policies.rule_for(name).durations())
        if state.pending_grant is not None:
            self._recovered_grants[key] = state.pending_grant.grant_id
        self._schedule(key, target)
        return target

    def _was_carried_out(self, operation: Operation) -> bool:
        """Whether a worker that died carried it out: its command is on `control`, the row that remembers it is not."""
        scope_id = operation.scope.id
        latest = self._rules.latest_command(scope_id)
        return latest is not None and latest.command_id == command_id(scope_id, latest.state, operation.operation_id)

    def _schedule(self, key: bytes, target: TrackedTarget) -> None:
        due = target.state.next_due() or 0
        if due != target.due:
            target.due = due
            if due:
                heappush(self._dues, (due, key))

    def _judge(
        self,
        key: bytes,
        target: TrackedTarget,
        event: ResponseEvent,
        offset: int,
        time_ms: int,
        now_ms: int,
        outcome: Outcome,
    ) -> None:
        target.settle()
        rules, row, state = self._rules, target.row, target.state
        policies = rules.policies()
        row.bad_request_seen = max(row.bad_request_seen, time_ms)
        source = Source(topic=self.topic, partition=self.partition, offset=offset)
        archive_uri = rules.archive_uri(source, event.target, event.time)
        diagnosis = None
        if rules.diagnose is not None:
            last_hour = window_counts(row, WINDOWS_ON_COMMANDS_S[-1], time_ms + 1)
            diagnosis = rules.diagnose(event, target.profile, last_hour.bad_request_ratio)
        fingerprints = rules.fingerprints(event)
        around = RecordContext(
            source=source,
            archive_uri=archive_uri,
            windows=partial(_figures, row, time_ms + 1),
            time_ms=time_ms,
            latest_command=rules.latest_command,
        )
        known_scopes = len(state.scopes)
        decision = apply_bad_request(state, event, fingerprints, diagnosis, now_ms, policies, around)
        outcome.add(decision)
        if decision.pending_grant is not None:
            outcome.grant_requests.append(
                GrantRequest(
                    target=state.name,
                    grant_id=decision.pending_grant.grant_id,
                    partition=self.partition,
                    rules=policies.fleet,
                    origins=state.failing_origins(),
                )
            )
        if decision.commands or decision.withheld or len(state.scopes) != known_scopes:
            self._schedule(key, target)
        outcome.offences.append(
            Offence(
                target=event.target,
                event=event,
                source=source,
                archive_uri=archive_uri,
                seen_at=now_ms,
                command_id=decision.halted_by,
                # The command of a granted quarantine, too, has this very 400 as its source.
                opens=decision.pending_grant is not None
                or state.was_opened_by(source, event.job_id, fingerprints.request),
                fingerprints=fingerprints,
                diagnosis=diagnosis,
            )
        )


def _figures(row: Row, at_ms: int) -> list[WindowFigures]:
    return [window_counts(row, seconds, at_ms).figures() for seconds in WINDOWS_ON_COMMANDS_S]
