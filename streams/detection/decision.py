"""What detection is given with a record, and the decision that it returns: commands, findings, a grant to request."""

from collections.abc import Callable, Sequence

from msgspec import Struct, field

from halt400.records import Command, Source, WindowFigures
from streams.detection.findings import Finding
from streams.detection.requests import BadRequestKind
from streams.quarantine.lifecycle import Opening

__all__ = ["Decision", "PendingGrant", "RecordContext", "no_command", "no_windows"]


RECREATED_AFTER_MS = 600_000
"""More than the clocks of brokers and workers differ."""


def no_command(scope_id: str) -> Command | None:
    """No command is known besides those in the target's own state."""
    return None


def no_windows() -> Sequence[WindowFigures]:
    """No window figures on the command."""
    return ()


class RecordContext(Struct, kw_only=True, frozen=True):
    """What is known of a record, a 400 or an operation, for the command that it may lead to.

    Attributes
    ----------
    source
        The record's topic, partition and offset; command ids derive from it.
    archive_uri
        Where the evidence will lie.
    windows
        Called where a command is made: the target's counts.
    time_ms
        When the response was received; None for the time that the event states.
    latest_command
        ``latest_command(scope_id)``: the command on `control` of a scope that the target's state does not know.
    is_operation
        Whether it is one; else it is a 400.
    appended_ms
        Its Kafka timestamp.
    """

    source: Source
    archive_uri: str | None = None
    windows: Callable[[], Sequence[WindowFigures]] = no_windows
    time_ms: int | None = None
    latest_command: Callable[[str], Command | None] = no_command
    is_operation: bool = False
    appended_ms: int = 0

    def is_included_in(self, command: Command) -> bool:
        """Whether the issuer of a command had applied this record: it is replayed, as its worker ended.

        A record that came long after the command was issued has its offset in a topic that was created again.
        """
        reached = command.operations_offset if self.is_operation else command.responses_offset
        was_applied = reached is not None and self.source.offset <= reached
        if was_applied and self.source.offset == reached and command.responses_index is not None:
            was_applied = self.is_operation or self.source.index <= command.responses_index
        return was_applied and self.appended_ms <= command.issued_at + RECREATED_AFTER_MS

    @property
    def cause(self) -> str:
        """What ids derive from."""
        source = self.source
        place = f"{source.topic}/{source.partition}/{source.offset}"
        return f"{place}/{source.index}" if source.index else place


class PendingGrant(Struct, kw_only=True, frozen=True):
    """A quarantine of the whole target that needs a grant of the fleet cap, which has not decided yet.

    Attributes
    ----------
    grant_id
        Derived from the cause: the same cause after a crash gives the same id.
    target, opening
        What would be quarantined, and what its command would state.
    jobs
        The jobs that contributed to the evidence.
    sequence
        That of the target's last command, 0 where there is none: any command since makes the grant void.
    """

    grant_id: str = field(name="wish_id")
    target: str
    opening: Opening
    jobs: tuple[str, ...]
    sequence: int = 0


class Decision(Struct, kw_only=True):
    """What follows from one record, or from time.

    Attributes
    ----------
    commands
        To be sent on `control`, in order.
    withheld
        In mode ``shadow``: the commands that would have been sent.
    findings
        To be sent on `findings`; under ``shadow`` none has the severity ``page``.
    pending_grant
        To be requested from the fleet; `apply_grant_decision` applies what the fleet decides.
    forgotten
        Scope ids that need no command any more; a null record on `control` removes them.
    kind
        How the statistics count the 400.
    halted_by
        The id of the command that halts the request's scope: the one that the 400 led to, or an earlier one.
    why
        For a person: why a command was issued or not.
    """

    commands: list[Command] = field(default_factory=list)
    withheld: list[Command] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    pending_grant: PendingGrant | None = None
    forgotten: list[str] = field(default_factory=list)
    kind: BadRequestKind | None = None
    halted_by: str | None = None
    why: str = ""
