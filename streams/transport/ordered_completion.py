"""Work that is done in parallel and made durable in order: for agents whose side effects are slow."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from faust.types import TP

from streams.transport import Records

__all__ = ["Advances", "OrderedCompletion"]

SETTLE_S = 3.0


class Advances(Protocol):
    """Who is told how far a partition is done: `streams.transport.Durability`, or one that lets more be done first."""

    def advance(self, tp: TP, offset: int) -> None:
        """Take note that everything below `offset` is done."""


class _Fold(NamedTuple):
    """One fold that is being worked on; `first_ms` is the Kafka timestamp of its first record, if any."""

    end: int
    records: int
    first_ms: int | None
    task: asyncio.Task[None]


class OrderedCompletion:
    """The folds of one topic that are being worked on; a watermark rises when all before it are done.

    While more than `capacity` records are open, `pause` is called with the partitions that overflow, and `resume` when
    half of them are done: reading stops for this topic only, so a slow archive never holds up detection.

    Parameters
    ----------
    on_failure
        Called with the error of a fold that failed; its partition's watermark never passes it.
    start
        ``start(tp)``: where reading of a partition began, None where nobody says; its first fold must begin there.
    """

    def __init__(
        self,
        durability: Advances,
        *,
        capacity: int,
        pause: Callable[[set[TP]], None],
        resume: Callable[[set[TP]], None],
        on_failure: Callable[[BaseException], Awaitable[None]],
        start: Callable[[TP], int | None],
    ) -> None:
        self._durability, self._capacity, self._start = durability, capacity, start
        self._pause, self._resume, self._on_failure = pause, resume, on_failure
        self._folds: dict[TP, deque[_Fold]] = {}
        self._ends: dict[TP, int] = {}
        self._paused: set[TP] = set()
        self._failing: set[asyncio.Task[None]] = set()
        self.open = 0

    def add(self, tp: TP, records: Records, work: Coroutine[Any, Any, None]) -> None:
        """Start the work of one fold."""
        records.check_follows(self._ends.get(tp, self._start(tp)))
        self._ends[tp] = records.end
        task = asyncio.create_task(work)
        first_ms = records[0].timestamp if records else None
        self._folds.setdefault(tp, deque()).append(_Fold(records.end, len(records), first_ms, task))
        self.open += len(records)
        task.add_done_callback(lambda done: self._settle_prefix(tp, done))
        if self.open > self._capacity:
            self._paused.add(tp)
            self._pause({tp})

    def _settle_prefix(self, tp: TP, done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            failing = asyncio.ensure_future(_as_task(self._on_failure(error)))
            self._failing.add(failing)
            failing.add_done_callback(self._failing.discard)
            return
        folds = self._folds.get(tp, deque())
        while folds and (task := folds[0].task).done() and not task.cancelled() and task.exception() is None:
            fold = folds.popleft()
            self.open -= fold.records
            self._durability.advance(tp, fold.end)
        if self._paused and self.open <= self._capacity // 2:
            resumed, self._paused = self._paused, set()
            self._resume(resumed)

    @property
    def oldest_ms(self) -> int | None:
        """The Kafka timestamp of the oldest fold that is not done, None where all are."""
        oldest = (folds[0].first_ms for folds in self._folds.values() if folds)
        return min((time_ms for time_ms in oldest if time_ms is not None), default=None)

    def drop(self, revoked: set[TP]) -> None:
        """Forget partitions that were taken away: what is open of them is cancelled, and read again by their owner."""
        for tp in revoked & self._folds.keys():
            for fold in self._folds.pop(tp):
                self.open -= fold.records
                fold.task.cancel()
        self._paused -= revoked
        for tp in revoked:
            self._ends.pop(tp, None)

    async def settle(self) -> None:
        """Give what is open a moment to be done; the rest is read again by whoever holds the partition next."""
        tasks = [fold.task for folds in self._folds.values() for fold in folds]
        if tasks:
            await asyncio.wait(tasks, timeout=SETTLE_S)


async def _as_task(work: Awaitable[Any]) -> None:
    await work
