"""The followers of the detect process: `control` for the state of every scope, `fleet` for the fleet cap."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE, Command
from streams import topics
from streams.fleet_cap.log import GrantDecision
from streams.fleet_cap.participant import CapParticipant
from streams.quarantine.later import is_later_command
from streams.settings import KafkaSettings

__all__ = ["DetectFollowers", "RefusedCommand"]

log = logging.getLogger("halt400.worker")

_decode_command = msgspec.json.Decoder(Command).decode


MOST_REFUSED = 10_000


class RefusedCommand(NamedTuple):
    """A record of `control` that is not believed, and why."""

    record: Any
    reason: str


class DetectFollowers:
    """Follows both topics, and gives the participant of the fleet cap what it needs of them.

    Attributes
    ----------
    decisions
        The decisions on grants, in the order of the fleet's log, that were not applied yet.
    """

    def __init__(self, kafka: KafkaSettings, participant: CapParticipant) -> None:
        self._participant = participant
        self.decisions: asyncio.Queue[list[GrantDecision]] = asyncio.Queue()
        self.control = Follower(
            kafka.connection,
            kafka.topic(topics.CONTROL),
            newer=is_later_command,
            on_changes=self._on_commands,
            on_records=self._on_control_records,
            on_refused=self._on_refused,
        )
        self._refused: OrderedDict[bytes, RefusedCommand] = OrderedDict()
        self.fleet = Follower(kafka.connection, kafka.topic(topics.FLEET), on_records=self._on_fleet_records)

    def latest_command(self, scope_id: str) -> Command | None:
        """The last command of a scope, None where there is none."""
        value = self.control.values.get(scope_id.encode())
        return _decoded(value) if value is not None else None

    def take_refused(self, partitions: Collection[int]) -> list[RefusedCommand]:
        """The records of these partitions of `control` that nobody trusted has signed, and nobody has replaced."""
        if not self.control.caught_up:
            return []
        taken = [key for key, refused in self._refused.items() if refused.record.partition in partitions]
        return [self._refused.pop(key) for key in taken]

    def _on_refused(self, record: Any, reason: str) -> None:
        if record.key is not None:
            self._refused[record.key] = RefusedCommand(record, reason)
            if len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)

    def _on_control_records(self, records: Sequence[Any]) -> None:
        if self._refused:
            for record in records:
                refused = self._refused.get(record.key)
                if refused is not None and refused.record.offset < record.offset:
                    del self._refused[record.key]

    def _on_commands(self, changes: Changes) -> None:
        for key, value in changes.items():
            kind, _, target = key.decode(errors="replace").partition("/")
            if kind != "target":
                continue
            command = _decoded(value) if value is not None else None
            if command is not None:
                self._participant.set_command(command)
            else:
                self._participant.remove_command(target)

    def _on_fleet_records(self, records: Sequence[Any]) -> None:
        decisions = [
            decision
            for record in records
            for decision in self._participant.apply_record(record.offset, record.timestamp, record.value)
        ]
        if decisions:
            self.decisions.put_nowait(decisions)


def _decoded(value: bytes) -> Command | None:
    """The command, None where the bytes are none: somebody else has written to the topic, and the worker goes on."""
    try:
        return _decode_command(value)
    except UNDECODABLE as error:
        log.error("A record of control is no command and is ignored: %s: %.200r", error, value)
        return None
