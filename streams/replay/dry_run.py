"""Judge recorded events as the worker would have judged them live: the same code, on the recording's own clock."""

from collections import Counter
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from halt400.fingerprints import fingerprints
from halt400.records import Command, ResponseEvent
from streams.detection import Finding, Policies, Rule, counts_as_trial
from streams.fleet_cap.log import FleetRecord, GrantDecision
from streams.fleet_cap.participant import CapParticipant
from streams.processing.build_context import build_context
from streams.processing.decoding import Record, Refusal
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState
from streams.settings import Settings

__all__ = ["DryRun", "DryRunQuarantine", "SavedEstimate", "under_policy"]

_TOPIC = "recorded"
_encode = msgspec.json.Encoder().encode


class DryRunQuarantine(NamedTuple):
    """A command that would have been issued, and the 400 that led to it."""

    command: Command
    event: ResponseEvent


class SavedEstimate(Struct, kw_only=True):
    """What some policies would have done to a log.

    Attributes
    ----------
    jobs_held, targets_held, requests_held
        Quarantines opened, of whole jobs, of whole targets, of single requests.
    requests_saved, proxy_time_saved_s
        Requests of the log that were sent while their scope would have been held, and how long they took; seconds are
        None where the log knows no durations.
    logical_requests
        Trials of the detectors.
    false_pages_bound
        How many pages over whole targets the log was to give, on average and at the most, had nothing been wrong.
    false_job_holds_bound
        The same for jobs held by their detector; None where any 400 holds its job.
    """

    jobs_held: int = 0
    targets_held: int = 0
    requests_held: int = 0
    requests_saved: int = 0
    proxy_time_saved_s: float | None = None
    logical_requests: int = 0
    false_pages_bound: float = 0.0
    false_job_holds_bound: float | None = None


def under_policy(policies: Policies, policy: Literal["strict", "evidence"] | None = None) -> Policies:
    """The same rules in mode ``live``, all with `policy` where it is given: in a dry run nothing is issued anyway."""

    def changed(rule: Rule) -> Rule:
        return replace(rule, mode="live", policy=policy or rule.policy)

    rules = tuple(changed(rule) for rule in policies.rules)
    return replace(policies, rules=rules, default=changed(policies.default))


class DryRun:
    """A partition of its own that every event goes through.

    Parameters
    ----------
    settings
        Of detection and of where evidence would lie.
    policies
        What the events are judged by.

    Attributes
    ----------
    refusals
        Events that the worker would have sent to the dead-letter topic.
    findings
        What would have been told besides commands.
    """

    def __init__(self, settings: Settings, policies: Policies) -> None:
        self._fleet, self._policies = CapParticipant(_TOPIC, 1, _only_partition), policies
        self._savings = SavedEstimate()
        rules = build_context(
            settings,
            partition_of=_only_partition,
            latest_command=_none_issued,
            policies=lambda: policies,
            is_granted=self._fleet.is_granted,
        )
        self._state = PartitionState(_TOPIC, 0, rules)
        self.findings: list[Finding] = []
        self._offset = 0
        self._clock_ms = 0
        self._offences: Counter[str] = Counter()
        self.refusals: list[Refusal] = []

    def begin_file(self) -> None:
        """Set the clock back: the next file has a time of its own."""
        self._clock_ms = 0

    def judge(self, event: ResponseEvent) -> list[DryRunQuarantine]:
        """Apply one event at its own time; within a file the clock never goes back, as it would not have live."""
        self._clock_ms = max(self._clock_ms, event.time)
        record = Record(self._offset, self._clock_ms, event.target.encode(), _encode(event))
        self._offset += 1
        passed = self._state.tick(self._clock_ms)
        self._weigh(event)
        outcome = self._state.apply([record], self._clock_ms)
        if passed or outcome.grant_requests:
            self._put_to_fleet(passed, outcome)
        self.refusals += outcome.refusals
        self.findings += outcome.findings
        for command in (*passed.commands, *outcome.commands):
            self._count(command)
        for offence in outcome.offences:
            if offence.command_id is not None:
                self._offences[offence.command_id] += 1
        return [DryRunQuarantine(command, event) for command in outcome.commands if command.state == "quarantined"]

    def savings(self) -> SavedEstimate:
        """What came of it so far."""
        tiers, rule, seen = self._policies.tiers, self._policies.default, self._savings.logical_requests
        by_evidence = rule.policy == "evidence"
        return replace(
            self._savings,
            false_pages_bound=seen / tiers.page,
            false_job_holds_bound=seen / getattr(tiers, rule.job_tier) if by_evidence else None,
        )

    def _put_to_fleet(self, passed: Outcome, outcome: Outcome) -> None:
        """What the workers say to each other over the fleet's log, said here at once."""
        for command in passed.commands:
            if command.scope.kind == "target" and command.state == "released":
                self._fleet.set_command(command)
                self._say(*self._fleet.grant_ended(command.scope.target))
        if outcome.grant_requests:
            self._keep_up(outcome)
            for answer in self._say(*outcome.grant_requests):
                outcome.join(self._state.apply_grant_decision(answer, self._clock_ms))
            self._keep_up(outcome)
        for command in outcome.commands:
            if command.scope.kind == "target":
                self._fleet.set_command(command)

    def _keep_up(self, outcome: Outcome) -> None:
        for _ in range(2):  # a trip asks for a census first
            due = self._fleet.due_records({0: self._state}, self._clock_ms)
            self._say(*(record for _, record in due.records))
            if due.fault is not None:
                _, finding, reported = due.fault
                outcome.findings.append(finding)
                self._say(reported)

    def _say(self, *records: FleetRecord) -> list[GrantDecision]:
        answers: list[GrantDecision] = []
        for record in records:
            answers += self._fleet.log.apply(self._fleet.log.end, self._clock_ms, record)
        return answers

    def _weigh(self, event: ResponseEvent) -> None:
        """Take note of a request that would not have been sent."""
        found = self._savings
        found.logical_requests += counts_as_trial(event.attempt)
        fingerprint = fingerprints(event.target, event.request).request if event.response.status == 400 else None
        if self._state.halting_command(event.target, event.job_id, fingerprint, self._clock_ms) is not None:
            found.requests_saved += 1
            if event.duration_ms is not None:
                found.proxy_time_saved_s = (found.proxy_time_saved_s or 0.0) + event.duration_ms / 1000

    def _count(self, command: Command) -> None:
        found, kind = self._savings, command.scope.kind
        if command.state != "quarantined":
            return
        if kind == "target":
            found.targets_held += 1
        elif kind == "job":
            found.jobs_held += 1
        else:
            found.requests_held += 1

    def bad_requests_of(self, command: Command) -> int:
        """Number of 400s seen that led to this command, or came while it held."""
        return self._offences[command.command_id]


def _only_partition(_key: bytes) -> int:
    return 0


def _none_issued(_scope_id: str) -> Command | None:
    return None
