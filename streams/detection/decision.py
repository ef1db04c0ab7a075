"""What judging returns: commands to send, findings to tell, a wish for the fleet to grant; nothing is done here."""

from collections.abc import Callable, Sequence

from msgspec import Struct, field

from halt400.records import Command, Source, WindowFigures
from streams.detection.findings import Finding
from streams.detection.requests import SightingKind
from streams.quarantine.lifecycle import Opening

__all__ = ["Circumstances", "Decision", "TargetWish", "no_command", "no_windows"]


def no_command(scope_id: str) -> Command | None:
    """Nothing is known of any scope besides the target's own state."""
    return None


def no_windows() -> Sequence[WindowFigures]:
    """No window figures on the command."""
    return ()


class Circumstances(Struct, kw_only=True, frozen=True):
    """What surrounds a 400, for the command that it may lead to.

    Attributes
    ----------
    source
        The record that the 400 came in; command ids derive from it.
    archive_uri
        Where the evidence will lie.
    windows
        Called once a command is made of it: the target's counts.
    time_ms
        When the response was received, if not as the event says (an event from the future).
    latest_command
        ``latest_command(scope_id)``: what `control` says of a scope that the target's state does not know.
    """

    source: Source
    archive_uri: str | None = None
    windows: Callable[[], Sequence[WindowFigures]] = no_windows
    time_ms: int | None = None
    latest_command: Callable[[str], Command | None] = no_command

    @property
    def cause(self) -> str:
        """What ids derive from."""
        return f"{self.source.topic}/{self.source.partition}/{self.source.offset}"


class TargetWish(Struct, kw_only=True, frozen=True):
    """The target's detector pages over several jobs: quarantine it, if the fleet's guard grants that.

    Attributes
    ----------
    wish_id
        Derived from the cause: the same cause after a crash gives the same id.
    target, opening
        What would be quarantined, and what its command would say.
    jobs
        The jobs that contributed.
    sequence
        That of the target's last command, 0 where there is none: a wish that another command overtook is void.
    """

    wish_id: str
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
        To be told; under ``shadow`` none is worth a page.
    wish
        To be put to the fleet; `answer_wish` carries out what it says.
    forgotten
        Scope ids that need no command any more: a null record on `control` removes them.
    sighting
        What the 400 was to the statistics.
    held_by
        The id of the command that halts, or halted, the request's scope: the one it led to, or the one before.
    why
        For a person: why a command fired or did not.
    """

    commands: list[Command] = field(default_factory=list)
    withheld: list[Command] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    wish: TargetWish | None = None
    forgotten: list[str] = field(default_factory=list)
    sighting: SightingKind | None = None
    held_by: str | None = None
    why: str = ""
