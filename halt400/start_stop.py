"""`async with` for everything that has a start and a stop."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

__all__ = ["StartStop"]


class StartStop(ABC):
    """Entering starts, leaving stops."""

    def start(self) -> Awaitable[None] | None:
        """Start; what need not wait is a plain method. Nothing to do by default."""
        return None

    @abstractmethod
    async def stop(self) -> None:
        """Stop; harmless where it was not started."""

    async def __aenter__(self) -> Self:
        """Start."""
        started = self.start()
        if started is not None:
            await started
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
