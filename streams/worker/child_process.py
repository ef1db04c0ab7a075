"""The follow-up process as a child of the worker: they end together."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from halt400.errors import Halt400Error
from streams.processes.supervised import SupervisedProcess

__all__ = ["ChildProcess", "ChildProcessEnded"]


ORPHAN_GRACE_S = 0.3


class ChildProcessEnded(Halt400Error):
    """The child process ended by itself."""

    code = "companion_ended"


class ChildProcess:
    """Runs ``halt400 worker --role ROLE`` with this process's environment and output.

    It ends within a second of this process, even where that is killed.

    Parameters
    ----------
    on_end
        Called with an error when the child ended by itself.
    stop_timeout_s
        Seconds that it may take to stop.
    """

    def __init__(self, role: str, on_end: Callable[[BaseException], Awaitable[None]], stop_timeout_s: float) -> None:
        self._role, self._on_end, self._stop_timeout_s = role, on_end, stop_timeout_s
        self._asked = False
        self._process: SupervisedProcess | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the child, and watch it."""
        command = [sys.executable, "-m", "halt400", "worker", "--role", self._role, "--child"]
        self._process = SupervisedProcess(command, None, grace_s=self._stop_timeout_s, orphan_grace_s=ORPHAN_GRACE_S)
        self._watching = asyncio.create_task(self._watch(self._process))

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return None if self._process is None or self._process.running else self._process.wait()

    def ask_to_stop(self) -> None:
        """Let it begin to stop, and return at once; may be called from another thread."""
        self._asked = True
        if self._process is not None:
            self._process.ask_to_stop()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Stop the child, and wait until it has ended."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    async def _watch(self, process: SupervisedProcess) -> None:
        code = await asyncio.to_thread(process.wait)
        if self._asked:
            return
        error = ChildProcessEnded(f"The {self._role} process ended with code {code}.", "Its own log lines say why.")
        await self._on_end(error)
