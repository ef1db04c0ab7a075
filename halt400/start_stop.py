"""`async with` and `with` for everything that starts and stops."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

__all__ = ["Closing", "StartStop"]


class StartStop(ABC):
    """``async with``: entering starts, leaving stops."""

    def start(self) -> Awaitable[None] | None:
        """Start; a plain method where there is nothing to wait for. By default nothing is done."""
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


class Closing(ABC):
    """``with``: leaving closes."""

    @abstractmethod
    def close(self) -> None:
        """Close; harmless where it is closed already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
