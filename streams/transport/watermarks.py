"""The offset to commit of each partition: everything that followed from the records below it is on the broker."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from faust.types import TP

__all__ = ["Watermarks"]


class Watermarks:
    """The watermarks of the assigned partitions, and the checkpoints that raise them.

    The consumer commits these offsets and no others. An agent raises one when the broker has acknowledged every row,
    offence and command that followed from the records below it. Acknowledging a message to Faust has no effect.
    """

    def __init__(self) -> None:
        self._watermarks: dict[TP, int] = {}
        self._starts: dict[TP, int] = {}
        self._checkpoints: list[Callable[[], Awaitable[None]]] = []

    def set_starts(self, starts: Mapping[TP, int]) -> None:
        """Set the offsets at which reading of partitions starts."""
        self._starts.update(starts)

    def start_of(self, tp: TP) -> int | None:
        """The offset at which reading of a partition started: its first fold must start there."""
        return self._starts.get(tp)

    def advance(self, tp: TP, offset: int) -> None:
        """Raise a watermark to `offset`; it never goes back."""
        if offset > self._watermarks.get(tp, -1):
            self._watermarks[tp] = offset

    def of(self, tp: TP) -> int | None:
        """The offset to commit, None where nothing is durable yet since the partition was assigned."""
        return self._watermarks.get(tp)

    def partitions(self) -> list[TP]:
        """The partitions that have a watermark."""
        return list(self._watermarks)

    def drop(self, revoked: Iterable[TP]) -> None:
        """Forget revoked partitions."""
        for tp in revoked:
            self._watermarks.pop(tp, None)
            self._starts.pop(tp, None)

    def on_checkpoint(self, checkpoint: Callable[[], Awaitable[None]]) -> None:
        """Register what raises watermarks as far as possible before the last commit of an assignment."""
        self._checkpoints.append(checkpoint)

    async def checkpoint(self) -> None:
        """Make durable all that was read: before partitions are revoked and before the worker stops."""
        for checkpoint in self._checkpoints:
            await checkpoint()
