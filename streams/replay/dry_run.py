"""Judge recorded events as the worker would have judged them live: the same code, on the recording's own clock."""

from collections import Counter
from typing import NamedTuple

import msgspec

from halt400.records import Command, ResponseEvent, Source
from streams.partition import PartitionState, Record, Refusal, Rules

__all__ = ["DryRun", "Quarantine"]

_encode = msgspec.json.Encoder().encode


class Quarantine(NamedTuple):
    """A command that would have been issued, and the 400 that led to it."""

    command: Command
    event: ResponseEvent


class DryRun:
    """A partition of its own that every event goes through.

    Parameters
    ----------
    skew_ms, old_news_ms, hold_ms
        See `streams.settings.DetectionSettings`.

    Attributes
    ----------
    refusals
        Events that the worker would have sent to the dead-letter topic.
    """

    def __init__(self, skew_ms: int, old_news_ms: int, hold_ms: int) -> None:
        rules = Rules(
            archive_uri=_nowhere,
            partition_of=_only_partition,
            latest_command=_none_issued,
            skew_ms=skew_ms,
            old_news_ms=old_news_ms,
            hold_ms=hold_ms,
        )
        self._state = PartitionState("recorded", 0, rules)
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
        outcome = self._state.apply([record], self._clock_ms)
        self.refusals += outcome.refusals
        for offence in outcome.offences:
            if offence.command_id is not None:
                self._offences[offence.command_id] += 1
        return [Quarantine(command, event) for command in outcome.commands]

    def bad_requests_of(self, command: Command) -> int:
        """Number of 400s seen that led to this command, or came while it held."""
        return self._offences[command.command_id]


def _nowhere(_source: Source, _target: str, _time_ms: int) -> str:
    return ""


def _only_partition(_key: bytes) -> int:
    return 0


def _none_issued(_scope_id: str) -> Command | None:
    return None
