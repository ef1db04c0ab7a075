"""The latest command of every scope, followed on the compacted topic `control`, and the list of quarantines."""

import logging
from collections.abc import Callable, Iterable

import msgspec

from halt400.errors import InvalidRecord
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE, Command
from streams import topics
from streams.api.models import Quarantine
from streams.api.shown_texts import ShownTexts
from streams.operations.command_log import CommandLog
from streams.quarantine.later import is_later_command
from streams.savings import SavingsBook

__all__ = ["Quarantines"]

log = logging.getLogger(__name__)

_COMMAND_FIELDS = tuple(field.name for field in msgspec.structs.fields(Command))


class Quarantines:
    """Follows `control` and keeps every scope's latest command, decoded.

    Parameters
    ----------
    kafka
        Where Kafka is.
    clock_ms
        The present, in milliseconds since the Unix epoch.
    savings
        Counts of the requests that gates did not send.
    texts
        Removes secrets from reasons and diagnoses.
    on_new
        Called with the ids of the scopes that have a new command.

    Attributes
    ----------
    history
        The commands that are still on the topic.
    revision
        Grows with every change.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        *,
        clock_ms: Callable[[], int],
        savings: SavingsBook,
        texts: ShownTexts,
        on_new: Callable[[list[str]], None] = lambda scope_ids: None,
    ) -> None:
        self.history = CommandLog()
        self.revision = 0
        self.follower = Follower(
            kafka,
            kafka.topic(topics.CONTROL),
            newer=is_later_command,
            on_changes=self._on_changes,
            on_records=self.history.add,
        )
        self._clock_ms, self._savings, self._on_new = clock_ms, savings, on_new
        self._texts = texts
        self._commands: dict[str, Command] = {}
        self._scopes_of: dict[str, set[str]] = {}

    def get(self, scope_id: str) -> Quarantine | None:
        """Return the state of one scope; None where there was never a command."""
        command = self._commands.get(scope_id)
        return None if command is None else self._shown(command, self._clock_ms())

    def find(self, *, states: tuple[str, ...], target: str | None, job_id: str | None, expired: bool) -> list[Command]:
        """Return the commands of the quarantines that match, the latest first; `expired`: also of those that have."""
        now_ms = self._clock_ms()
        scopes = self._commands if target is None else self._scopes_of.get(target, ())
        found = [
            command
            for command in map(self._commands.__getitem__, scopes)
            if command.state in states
            and (job_id is None or command.scope.job_id == job_id)
            and (expired or command.state == "released" or command.expires_at > now_ms)
        ]
        found.sort(key=lambda command: (-command.issued_at, command.scope.id))
        return found

    def shown(self, commands: Iterable[Command]) -> list[Quarantine]:
        """Return commands as the API shows them."""
        now_ms = self._clock_ms()
        return [self._shown(command, now_ms) for command in commands]

    def without_secrets(self, command: Command) -> Command:
        """Return a command without secrets in its reason and diagnosis."""
        diagnosis = command.diagnosis
        return msgspec.structs.replace(
            command,
            reason=self._texts.text(command.reason),
            diagnosis=None if diagnosis is None else self._texts.diagnosis(diagnosis),
        )

    def in_force_on(self, target: str) -> int:
        """Return the number of quarantines in force on one target."""
        now_ms = self._clock_ms()
        return sum(
            _in_force(command, now_ms) for command in map(self._commands.__getitem__, self._scopes_of.get(target, ()))
        )

    def targets(self) -> set[str]:
        """Return the targets that have a quarantine in force."""
        return {target for target in self._scopes_of if self.in_force_on(target)}

    def _shown(self, command: Command, now_ms: int) -> Quarantine:
        """A command with whether it is in force at `now_ms`, and what it has saved."""
        shown = self.without_secrets(command)
        return Quarantine(
            id=command.scope.id,
            in_force=_in_force(command, now_ms),
            not_sent=self._savings.not_sent([(command.scope.id, command.opened_at)]),
            **{name: getattr(shown, name) for name in _COMMAND_FIELDS},
        )

    def _on_changes(self, changes: Changes) -> None:
        self.revision += 1
        for key, value in changes.items():
            scope_id = key.decode(errors="replace")
            old = self._commands.pop(scope_id, None)
            if old is not None:
                scopes = self._scopes_of[old.scope.target]
                scopes.discard(scope_id)
                if not scopes:
                    del self._scopes_of[old.scope.target]
            if value is None:
                continue
            try:
                command = _decode(value)
            except UNDECODABLE as error:
                log.error("%s", InvalidRecord(f"{self.follower.topic}, key {scope_id}: no command ({error})."))
                continue
            self._commands[scope_id] = command
            self._scopes_of.setdefault(command.scope.target, set()).add(scope_id)
        self._on_new([key.decode(errors="replace") for key in changes])


def _in_force(command: Command, now_ms: int) -> bool:
    return command.state != "released" and command.expires_at > now_ms


_decode = msgspec.json.Decoder(Command).decode
