"""How far each folded partition is durable: below its watermark, all that followed is on the broker."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from faust.types import TP

__all__ = ["Watermarks"]


class Watermarks:
    """The durable watermarks of the partitions that this process holds, and who can bring them forward.

    The consumer commits these and nothing else; an agent raises one when the broker has acknowledged every row, offence
    and command of what it read. Acknowledging a message to Faust means nothing.
    """

    def __init__(self) -> None:
        self._watermarks: dict[TP, int] = {}
        self._starts: dict[TP, int] = {}
        self._settlers: list[Callable[[], Awaitable[None]]] = []

    def begin(self, starts: Mapping[TP, int]) -> None:
        """Say where reading of partitions begins."""
        self._starts.update(starts)

    def start(self, tp: TP) -> int | None:
        """Where reading of a partition began: whoever reads its first fold finds nothing missing before it."""
        return self._starts.get(tp)

    def advance(self, tp: TP, offset: int) -> None:
        """Say that everything below `offset` is durable; a watermark never goes back."""
        if offset > self._watermarks.get(tp, -1):
            self._watermarks[tp] = offset

    def watermark(self, tp: TP) -> int | None:
        """The offset to commit, None where nothing was made durable since the partition came."""
        return self._watermarks.get(tp)

    def partitions(self) -> list[TP]:
        """The partitions that have a watermark."""
        return list(self._watermarks)

    def drop(self, revoked: Iterable[TP]) -> None:
        """Forget partitions that are no longer ours."""
        for tp in revoked:
            self._watermarks.pop(tp, None)
            self._starts.pop(tp, None)

    def on_settle(self, settler: Callable[[], Awaitable[None]]) -> None:
        """Register who makes durable what was read, before a commit that must be as far as it can be."""
        self._settlers.append(settler)

    async def settle(self) -> None:
        """Make durable all that was read: called when partitions are revoked and when the worker stops."""
        for settler in self._settlers:
            await settler()
