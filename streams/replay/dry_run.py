"""Process recorded events as the worker would have processed them live: the same code, on the recording's own clock."""

from collections import Counter
from typing import NamedTuple

import msgspec

from halt400.fingerprints import fingerprints
from halt400.records import Command, ResponseEvent
from streams.detection import Finding, Policies
from streams.fleet_cap.log import FleetRecord, GrantDecision
from streams.fleet_cap.participant import CapParticipant
from streams.processing.build_context import build_context
from streams.processing.decoding import Record, Refusal
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState
from streams.replay.policy_estimate import PolicyEstimate
from streams.settings import Settings

__all__ = ["DryRun", "DryRunQuarantine"]

_TOPIC = "recorded"
_encode = msgspec.json.Encoder().encode


class DryRunQuarantine(NamedTuple):
    """A command that would have been issued, and the 400 that led to it."""

    command: Command
    event: ResponseEvent


class DryRun:
    """A worker without Kafka, with one partition that every event goes through.

    Parameters
    ----------
    settings
        Of detection, and of the archive, whose URIs the commands carry.
    policies
        What a 400 leads to.

    Attributes
    ----------
    refusals
        Events that the worker would have sent to the dead-letter topic.
    findings
        What the worker would have published besides commands.
    """

    def __init__(self, settings: Settings, policies: Policies) -> None:
        self._policies = policies
        self._cap = CapParticipant(_TOPIC, 1, _only_partition)
        context = build_context(
            settings,
            partition_of=_only_partition,
            latest_command=_no_command,
            policies=lambda: policies,
            is_granted=self._cap.is_granted,
        )
        self._partition = PartitionState(_TOPIC, 0, context)
        self._offset = 0
        self._clock_ms = 0
        self._bad_requests: Counter[str] = Counter()
        self._estimate = PolicyEstimate()
        self.refusals: list[Refusal] = []
        self.findings: list[Finding] = []

    def start_file(self) -> None:
        """Set the clock back: each file has a time of its own."""
        self._clock_ms = 0

    def apply(self, event: ResponseEvent) -> list[DryRunQuarantine]:
        """Apply one event at its own time; within a file the clock never goes back, as it would not have live.

        Returns
        -------
        list
            The quarantines that it leads to.
        """
        self._clock_ms = max(self._clock_ms, event.time)
        record = Record(self._offset, self._clock_ms, event.target.encode(), _encode(event))
        self._offset += 1
        due = self._partition.tick(self._clock_ms)
        self._estimate.count_request(event, saved=self._is_halted(event))
        outcome = self._partition.apply([record], self._clock_ms)
        if due or outcome.grant_requests:
            self._apply_fleet_cap(due, outcome)
        self.refusals += outcome.refusals
        self.findings += outcome.findings
        for command in (*due.commands, *outcome.commands):
            self._estimate.count_command(command)
        for offence in outcome.offences:
            if offence.command_id is not None:
                self._bad_requests[offence.command_id] += 1
        return [DryRunQuarantine(command, event) for command in outcome.commands if command.state == "quarantined"]

    def bad_requests_of(self, command: Command) -> int:
        """Number of 400s that led to this command or came during its quarantine."""
        return self._bad_requests[command.command_id]

    def estimate(self) -> PolicyEstimate:
        """Counts so far, with the bounds on false alarms."""
        return self._estimate.with_bounds(self._policies)

    def _is_halted(self, event: ResponseEvent) -> bool:
        """Whether the event's request would not have been sent."""
        fingerprint = fingerprints(event.target, event.request).request if event.response.status == 400 else None
        return self._partition.halting_command(event.target, event.job_id, fingerprint, self._clock_ms) is not None

    def _apply_fleet_cap(self, due: Outcome, outcome: Outcome) -> None:
        """Write what the workers would write to the fleet's log, and apply the decisions that follow at once."""
        for command in due.commands:
            if command.scope.kind == "target" and command.state == "released":
                self._cap.set_command(command)
                self._write(*self._cap.grant_ended(command.scope.target))
        if outcome.grant_requests:
            self._write_due_records(outcome)
            for decision in self._write(*outcome.grant_requests):
                outcome.join(self._partition.apply_grant_decision(decision, self._clock_ms))
            self._write_due_records(outcome)
        for command in outcome.commands:
            if command.scope.kind == "target":
                self._cap.set_command(command)

    def _write_due_records(self, outcome: Outcome) -> None:
        for _ in range(2):  # when the cap is reached, a census comes before the finding
            due = self._cap.due_records({0: self._partition}, self._clock_ms)
            self._write(*(record for _, record in due.records))
            if due.fault is not None:
                _, finding, reported = due.fault
                outcome.findings.append(finding)
                self._write(reported)

    def _write(self, *records: FleetRecord) -> list[GrantDecision]:
        decisions: list[GrantDecision] = []
        for record in records:
            decisions += self._cap.log.apply(self._cap.log.end, self._clock_ms, record)
        return decisions


def _only_partition(_key: bytes) -> int:
    return 0


def _no_command(_scope_id: str) -> Command | None:
    return None
