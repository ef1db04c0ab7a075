"""A child process that ends when this process ends, with its last log lines at hand."""

import atexit
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

__all__ = ["SupervisedProcess", "without_frames"]

_ERROR = re.compile(r"\b(ERROR|FATAL)\b|Exception|Error: |Caused by")
_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class SupervisedProcess:
    """A child process that ends when this process ends, even by SIGKILL.

    Parameters
    ----------
    command
        Program and arguments.
    log_path
        File that its output is appended to; None for the output of this process.
    grace_s
        Seconds that it may take to end after SIGTERM.
    orphan_grace_s
        Seconds that it may take to end when this process has ended; `grace_s` where it is None. On Linux the kernel
        kills a child with a value of its own where the process between the two is killed.
    remove
        A directory to remove when the child was ended because this process has ended.
    keep_open
        A file descriptor, such as one with a lock, that stays open until the child has ended.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log_path: Path | None,
        *,
        grace_s: float = 15.0,
        orphan_grace_s: float | None = None,
        remove: Path | None = None,
        keep_open: int | None = None,
    ) -> None:
        self._owner = os.getpid()
        self._grace_s = grace_s
        self.log_path = log_path
        supervisor: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            _SUPERVISOR,
            "--parent",
            str(self._owner),
            "--grace",
            str(grace_s),
        ]
        if orphan_grace_s is not None:
            supervisor += ["--orphan-grace", str(orphan_grace_s)]
        if remove is not None:
            supervisor += ["--remove", remove]
        with log_path.open("ab") if log_path is not None else nullcontext() as log:
            # A session of its own: Ctrl-C reaches this process only, which stops its children in its own order.
            self._process = subprocess.Popen(
                [*supervisor, "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT if log is not None else None,
                start_new_session=True,
                pass_fds=() if keep_open is None else (keep_open,),
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The supervisor's process id, which is also the id of its and the child's process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the child to end and return its exit code; raises ``subprocess.TimeoutExpired``."""
        return self._process.wait(timeout_s)

    def ask_to_stop(self) -> None:
        """Send the child SIGTERM, and SIGKILL after the grace period; returns at once."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop the child: SIGTERM, then SIGKILL after the grace period. Does nothing in a fork of its owner."""
        if os.getpid() != self._owner:
            return
        if self.running:
            self.ask_to_stop()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace_s + 5.0)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the child and its supervisor, as a power cut would."""
        if os.getpid() != self._owner:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        atexit.unregister(self.stop)

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the child's output, without the frames of Java stacks."""
        return "\n".join(self._log()[-lines:])

    def error_lines(self, lines: int = 8) -> str:
        """The last lines about errors; a server that stops in order writes many others after them."""
        return "\n".join([line for line in self._log() if _ERROR.search(line)][-lines:])

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
    """The lines of a Java program's output without stack frames: the reason is in the others."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "\t... "))]
