"""Work in flight: what a rebalance and the stop of the process wait for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

__all__ = ["InFlight"]


class InFlight:
    """Counts the blocks of code that were entered and not left."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        """Count one more."""
        self._count += 1
        self._idle.clear()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def pause(self, seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Sleep within a block, without being in flight meanwhile."""
        self.__exit__(None, None, None)
        try:
            await sleep(seconds)
        finally:
            self.__enter__()

    async def drain(self, timeout_s: float) -> None:
        """Wait until nothing is in flight, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)
