"""A local server as a process: started behind its guard, stopped in time, its last log lines at hand."""

import atexit
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

__all__ = ["GuardedProcess", "without_frames"]

_COMPLAINT = re.compile(r"\b(ERROR|FATAL)\b|Exception|Error: |Caused by")
_GUARD = Path(__file__).with_name("guard.py")


class GuardedProcess:
    """A server process that ends when this process ends, however it ends.

    Parameters
    ----------
    command
        Program and arguments.
    log_path
        Where its output goes, appended to; None for where this process's own goes.
    grace_s
        How long it may take to end after SIGTERM.
    remove
        A directory to remove when the server has ended because this process died.
    hold
        A file descriptor, such as one with a lock, to keep open until the server has ended.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log_path: Path | None,
        *,
        grace_s: float = 15.0,
        remove: Path | None = None,
        hold: int | None = None,
    ) -> None:
        self._owner = os.getpid()
        self._grace_s = grace_s
        self.log_path = log_path
        guard: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            _GUARD,
            "--parent",
            str(self._owner),
            "--grace",
            str(grace_s),
        ]
        if remove is not None:
            guard += ["--remove", remove]
        with log_path.open("ab") if log_path is not None else nullcontext() as log:
            # A session of its own: Ctrl-C reaches us only, and we stop the server in our own order.
            self._process = subprocess.Popen(
                [*guard, "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT if log is not None else None,
                start_new_session=True,
                pass_fds=() if hold is None else (hold,),
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The guard's process id, which is also its process group's and the server's group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the server to end and return its exit code; raises ``subprocess.TimeoutExpired``."""
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """Ask the server to end, and make it after the grace period. Does nothing in a fork of the owner."""
        if os.getpid() != self._owner:
            return
        if self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace_s + 5.0)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and its guard, as a power cut would."""
        if os.getpid() != self._owner:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        atexit.unregister(self.stop)

    def log_tail(self, lines: int = 12) -> str:
        """Read the last lines of the server's output, less a Java stack's frames."""
        return "\n".join(self._log()[-lines:])

    def complaints(self, lines: int = 8) -> str:
        """Read the last lines that tell of an error, which an orderly end of the server follows with many others."""
        return "\n".join([line for line in self._log() if _COMPLAINT.search(line)][-lines:])

    def _log(self) -> list[str]:
        if self.log_path is None:
            return []
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 65536))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return without_frames(text)


def without_frames(text: str) -> list[str]:
    """Split a Java program's output into lines and drop the stack frames: the reason is in the others."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "\t... "))]
