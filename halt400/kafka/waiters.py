"""Futures of callers that wait for a follower: for offsets to be reached, or for a predicate on the values."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from halt400.kafka.topic_reader import Offsets, is_reached

__all__ = ["Predicate", "Waiters"]

Predicate = Callable[[Mapping[bytes, bytes]], bool]
"""``predicate(values) -> bool``."""


class Waiters:
    """The waiting callers of one follower."""

    def __init__(self) -> None:
        self._offsets: list[tuple[Offsets, asyncio.Future[bool]]] = []
        self._predicates: list[tuple[Predicate, asyncio.Future[None]]] = []

    async def reached(self, ends: Offsets) -> bool:
        """Wait until everything before `ends` has been read; ``False`` if the topic was recreated meanwhile."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._offsets.append((ends, future))
        return await future

    async def until(self, predicate: Predicate) -> None:
        """Wait until ``predicate(values)`` is true."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (predicate, future)
        self._predicates.append(entry)
        try:
            await future
        finally:
            if entry in self._predicates:
                self._predicates.remove(entry)

    def positions_changed(self, positions: Offsets) -> None:
        """Wake the callers whose offsets are reached."""
        for ends, future in self._offsets:
            if not future.done() and is_reached(ends, positions):
                future.set_result(True)
        self._offsets = [(ends, future) for ends, future in self._offsets if not future.done()]

    def values_changed(self, values: Mapping[bytes, bytes]) -> None:
        """Wake the callers whose predicate is true."""
        for predicate, future in list(self._predicates):
            if not future.done() and predicate(values):
                future.set_result(None)

    def offsets_restarted(self) -> None:
        """Wake the callers that wait for offsets: the topic was recreated and is read from its beginning."""
        for _, future in self._offsets:
            if not future.done():
                future.set_result(False)
        self._offsets.clear()

    def fail(self, error: BaseException) -> None:
        """Raise `error` in every caller."""
        futures: list[asyncio.Future[Any]] = [future for _, future in self._offsets]
        futures += [future for _, future in self._predicates]
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._offsets.clear()
