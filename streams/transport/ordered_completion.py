"""Folds that are worked on in parallel and completed in order: for agents whose side effects are slow."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from faust.types import TP

from streams.transport import Records

__all__ = ["Advances", "OrderedCompletion"]

DRAIN_S = 3.0


class Advances(Protocol):
    """What gets the offsets that are done: `Watermarks`, or a step that comes before it."""

    def advance(self, tp: TP, offset: int) -> None:
        """Note that everything below `offset` is done."""


class _Fold(NamedTuple):
    """One fold with open work; `first_ms` is the Kafka timestamp of its first record, None where it has none."""

    end: int
    records: int
    first_ms: int | None
    task: asyncio.Task[None]


class OrderedCompletion:
    """The open folds of one topic; a partition advances to a fold's end when all work up to it is done.

    While more than `capacity` records are open, the partitions that exceed it are paused; they are resumed when half of
    the capacity is free. Only this topic stops, so a slow archive never delays detection.

    Parameters
    ----------
    watermarks
        Gets the offsets below which all work is done.
    pause, resume
        ``pause(partitions)``: stop fetching them; ``resume(partitions)``: fetch them again.
    on_failure
        Called with the error of a fold that failed; its partition never advances past it.
    start_of
        ``start_of(tp)``: the offset at which reading of a partition started, None where that is unknown. Its first fold
        must start there.
    """

    def __init__(
        self,
        watermarks: Advances,
        *,
        capacity: int,
        pause: Callable[[set[TP]], None],
        resume: Callable[[set[TP]], None],
        on_failure: Callable[[BaseException], Awaitable[None]],
        start_of: Callable[[TP], int | None],
    ) -> None:
        self._watermarks, self._capacity, self._start_of = watermarks, capacity, start_of
        self._pause, self._resume, self._on_failure = pause, resume, on_failure
        self._folds: dict[TP, deque[_Fold]] = {}
        self._ends: dict[TP, int] = {}
        self._paused: set[TP] = set()
        self._failing: set[asyncio.Task[None]] = set()
        self.open = 0

    def add(self, tp: TP, records: Records, work: Coroutine[Any, Any, None]) -> None:
        """Start the work of one fold.

        Raises
        ------
        LostRecords
            Records are missing between this fold and the one before.
        """
        records.check_follows(self._ends.get(tp, self._start_of(tp)))
        self._ends[tp] = records.end
        task = asyncio.create_task(work)
        first_ms = records[0].timestamp if records else None
        self._folds.setdefault(tp, deque()).append(_Fold(records.end, len(records), first_ms, task))
        self.open += len(records)
        task.add_done_callback(lambda done: self._advance(tp, done))
        if self.open > self._capacity:
            self._paused.add(tp)
            self._pause({tp})

    def _advance(self, tp: TP, done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            failing = asyncio.ensure_future(_as_coroutine(self._on_failure(error)))
            self._failing.add(failing)
            failing.add_done_callback(self._failing.discard)
            return
        folds = self._folds.get(tp, deque())
        while folds and (task := folds[0].task).done() and not task.cancelled() and task.exception() is None:
            fold = folds.popleft()
            self.open -= fold.records
            self._watermarks.advance(tp, fold.end)
        if self._paused and self.open <= self._capacity // 2:
            resumed, self._paused = self._paused, set()
            self._resume(resumed)

    def taken(self, tp: TP) -> int | None:
        """The offset up to which a partition's folds were taken, None before its first."""
        return self._ends.get(tp)

    def is_paused(self, tp: TP) -> bool:
        """Whether a partition waits until less is open."""
        return tp in self._paused

    @property
    def oldest_ms(self) -> int | None:
        """The Kafka timestamp of the oldest open fold, None where no fold is open."""
        oldest = (folds[0].first_ms for folds in self._folds.values() if folds)
        return min((time_ms for time_ms in oldest if time_ms is not None), default=None)

    def drop(self, revoked: set[TP]) -> None:
        """Forget revoked partitions: their open work is cancelled, and their next owner reads it again."""
        for tp in revoked & self._folds.keys():
            for fold in self._folds.pop(tp):
                self.open -= fold.records
                fold.task.cancel()
        self._paused -= revoked
        for tp in revoked:
            self._ends.pop(tp, None)

    async def drain(self) -> None:
        """Wait a few seconds for the open work; what is not done by then is read again by the next owner."""
        tasks = [fold.task for folds in self._folds.values() for fold in folds]
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_S)


async def _as_coroutine(work: Awaitable[Any]) -> None:
    await work
