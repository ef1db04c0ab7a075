"""The follow-up process as a child of the worker: they end together."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from halt400.errors import Halt400Error
from streams.processes.supervised import SupervisedProcess

__all__ = ["ChildProcess", "ChildProcessEnded"]


class ChildProcessEnded(Halt400Error):
    """The child process ended by itself."""

    code = "companion_ended"


class ChildProcess:
    """Runs ``halt400 worker --role ROLE`` with this process's environment and output.

    It ends when this process ends, even by SIGKILL.

    Parameters
    ----------
    on_end
        Called with an error when the child ended by itself.
    """

    def __init__(self, role: str, *, on_end: Callable[[BaseException], Awaitable[None]]) -> None:
        self._role, self._on_end = role, on_end
        self._process: SupervisedProcess | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the child, and watch it."""
        command = [sys.executable, "-m", "halt400", "worker", "--role", self._role]
        self._process = SupervisedProcess(command, None, grace_s=20.0)
        self._watching = asyncio.create_task(self._watch(self._process))

    async def stop(self) -> None:
        """Stop the child, and wait until it has ended."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    async def _watch(self, process: SupervisedProcess) -> None:
        code = await asyncio.to_thread(process.wait)
        error = ChildProcessEnded(f"The {self._role} process ended with code {code}.", "Its own log lines say why.")
        await self._on_end(error)
