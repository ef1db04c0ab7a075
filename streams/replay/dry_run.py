"""Judge recorded events as the worker would have judged them live: the same code, on the recording's own clock."""

from collections import Counter
from typing import NamedTuple

import msgspec

from halt400.records import Command, ResponseEvent
from streams.detection import Finding, Policies
from streams.fleet import Fleet
from streams.intake import Record, Refusal
from streams.partition import PartitionState
from streams.rules import build_rules
from streams.settings import Settings

__all__ = ["DryRun", "Quarantine"]

_TOPIC = "recorded"
_encode = msgspec.json.Encoder().encode


class Quarantine(NamedTuple):
    """A command that would have been issued, and the 400 that led to it."""

    command: Command
    event: ResponseEvent


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
        self._fleet = Fleet(_TOPIC)
        rules = build_rules(
            settings,
            partition_of=_only_partition,
            latest_command=_none_issued,
            policies=lambda: policies,
            fleet=self._fleet,
        )
        self._state = PartitionState(_TOPIC, 0, rules)
        self._fleet.watch(lambda: (self._state,))
        self.findings: list[Finding] = []
        self._offset = 0
        self._clock_ms = 0
        self._offences: Counter[str] = Counter()
        self.refusals: list[Refusal] = []

    def begin_file(self) -> None:
        """Set the clock back: the next file has a time of its own."""
        self._clock_ms = 0

    def judge(self, event: ResponseEvent) -> list[Quarantine]:
        """Apply one event at its own time; within a file the clock never goes back, as it would not have live."""
        self._clock_ms = max(self._clock_ms, event.time)
        record = Record(self._offset, self._clock_ms, event.target.encode(), _encode(event))
        self._offset += 1
        passed = self._state.tick(self._clock_ms)
        outcome = self._state.apply([record], self._clock_ms)
        self.refusals += outcome.refusals
        self.findings += outcome.findings
        for command in (*passed.commands, *outcome.commands):
            if command.scope.kind == "target":
                self._fleet.learn(command)
        for offence in outcome.offences:
            if offence.command_id is not None:
                self._offences[offence.command_id] += 1
        return [Quarantine(command, event) for command in outcome.commands if command.state == "quarantined"]

    def bad_requests_of(self, command: Command) -> int:
        """Number of 400s seen that led to this command, or came while it held."""
        return self._offences[command.command_id]


def _only_partition(_key: bytes) -> int:
    return 0


def _none_issued(_scope_id: str) -> Command | None:
    return None
