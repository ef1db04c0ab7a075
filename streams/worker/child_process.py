"""A process that lives beside the worker and ends with it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from halt400.errors import Halt400Error
from streams.processes.guarded import GuardedProcess

__all__ = ["ChildProcess", "ChildProcessEnded"]


class ChildProcessEnded(Halt400Error):
    """The process beside the worker ended by itself."""

    code = "companion_ended"


class ChildProcess:
    """Runs ``halt400 worker --role ROLE`` with this process's environment and output.

    It ends when this process ends, however that happens.

    Parameters
    ----------
    on_end
        Called with an error when it ended by itself.
    """

    def __init__(self, role: str, *, on_end: Callable[[BaseException], Awaitable[None]]) -> None:
        self._role, self._on_end = role, on_end
        self._process: GuardedProcess | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and watch it."""
        command = [sys.executable, "-m", "halt400", "worker", "--role", self._role]
        self._process = GuardedProcess(command, None, grace_s=20.0)
        self._watching = asyncio.create_task(self._watch(self._process))

    async def stop(self) -> None:
        """Ask it to end, and wait for it."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    async def _watch(self, process: GuardedProcess) -> None:
        code = await asyncio.to_thread(process.wait)
        error = ChildProcessEnded(f"The {self._role} process ended with code {code}.", "Its own lines say why.")
        await self._on_end(error)
