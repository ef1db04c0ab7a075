"""The latest command of every scope, and which of them refuse a request. Pure."""

import logging
from collections.abc import Iterator

import msgspec

from halt400.kafka.latest import Changes
from halt400.records import UNDECODABLE, Command

__all__ = ["KnownCommands", "TargetCommands", "is_newer"]

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Command).decode


class _Stamp(msgspec.Struct):
    """The fields of a command that decide which of two is newer."""

    sequence: int
    issued_at: int


_decode_stamp = msgspec.json.Decoder(_Stamp).decode


def is_newer(old: bytes, new: bytes) -> bool:
    """Whether `new` replaces `old`: its sequence is not lower, or it was issued later.

    Neither is true of what a worker writes after another one has taken its partition over.
    """
    try:
        fresh = _decode_stamp(new)
    except UNDECODABLE:
        # A command that can be read is not replaced by bytes that cannot.
        log.warning("A command cannot be decoded and is ignored: %.200r", new)
        return False
    try:
        stale = _decode_stamp(old)
    except UNDECODABLE:
        return True
    return fresh.sequence >= stale.sequence or fresh.issued_at > stale.issued_at


class TargetCommands:
    """The commands on one target that are not released: of the target itself, its jobs and its requests."""

    __slots__ = ("jobs", "requests", "target")

    def __init__(self) -> None:
        self.target: Command | None = None
        self.jobs: dict[str | None, Command] = {}
        self.requests: dict[str | None, Command] = {}

    def __bool__(self) -> bool:
        return bool(self.target or self.jobs or self.requests)

    def set(self, command: Command, value: Command | None) -> None:
        """Set the command of this scope to `value`, or remove it."""
        scope = command.scope
        if scope.kind == "target":
            self.target = value
            return
        kind, name = (self.jobs, scope.job_id) if scope.kind == "job" else (self.requests, scope.fingerprint)
        if value is None:
            kind.pop(name, None)
        else:
            kind[name] = value

    def in_force(
        self, job_id: str, fingerprint: str | None, now_ms: float
    ) -> tuple[Command | None, tuple[Command, ...]]:
        """Return the quarantine that refuses a request; without one ``None`` and the probing commands on it."""
        probing: tuple[Command, ...] = ()
        for command in (
            self.target,
            self.jobs.get(job_id),
            self.requests.get(fingerprint) if fingerprint is not None else None,
        ):
            if command is None or command.expires_at <= now_ms:
                continue
            if command.state != "probing":
                return command, ()
            probing = (*probing, command)
        return None, probing


class KnownCommands:
    """The latest command of every scope.

    Attributes
    ----------
    by_target : dict of str to TargetCommands
        Targets with a command that is not released; it stays the same object.
    """

    def __init__(self) -> None:
        self.by_target: dict[str, TargetCommands] = {}
        self._latest: dict[bytes, Command] = {}

    def learn(self, changes: Changes) -> Iterator[Command]:
        """Apply changes of `control`, and yield each command that changes its scope after it has been applied."""
        for key, value in changes.items():
            known = self._latest.get(key)
            if value is None:
                if known is not None:
                    del self._latest[key]
                    self._place(known, None)
                continue
            try:
                command = _decode(value)
            except UNDECODABLE as error:
                log.warning("The command of %r cannot be decoded and is ignored: %s", key, error)
                continue
            if known is not None and (known.command_id, known.sequence, known.state, known.expires_at) == (
                command.command_id,
                command.sequence,
                command.state,
                command.expires_at,
            ):
                continue
            self._latest[key] = command
            self._place(command, None if command.state == "released" else command)
            yield command

    def in_force(self, now_ms: float) -> list[Command]:
        """Return every command in force, in no particular order."""
        return [
            command
            for command in list(self._latest.values())
            if command.state != "released" and command.expires_at > now_ms
        ]

    def _place(self, command: Command, value: Command | None) -> None:
        target = command.scope.target
        commands = self.by_target.get(target)
        if commands is None:
            commands = self.by_target[target] = TargetCommands()
        commands.set(command, value)
        if not commands:
            del self.by_target[target]
