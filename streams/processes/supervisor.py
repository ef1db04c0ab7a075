"""The supervisor: a process between us and a child process, which ends the child when we end, even by SIGKILL.

Run as a script by `streams.processes.supervised`; it imports the standard library only::

    supervisor.py --parent PID --grace SECONDS [--orphan-grace SECONDS] [--remove DIRECTORY] -- COMMAND...

The child is stopped (SIGTERM, then SIGKILL after the grace period) when the supervisor gets SIGTERM, SIGINT or SIGHUP,
when its standard input closes (the parent has ended), or when it has another parent than PID (a fork of the parent
inherited the pipe and lives on); where the parent has ended, SIGKILL follows after --orphan-grace. The directory is
removed only when the parent has ended: a parent that lives may still read the log there.

On Linux the child also gets SIGTERM, with --orphan-grace SIGKILL, from the kernel when the supervisor is killed. The
kernel sends it when the thread that forked ends, not the process; that is safe here because the supervisor has one
thread.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_S = 0.5
_CHILD_CHECK_S = 0.05


def main() -> int:
    """Run the command until it ends or is stopped, and return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--orphan-grace", type=float)
    parser.add_argument("--remove", action="append", default=[])
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()

    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    dying = signal.SIGTERM if arguments.orphan_grace is None else signal.SIGKILL
    child = subprocess.Popen(
        arguments.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=partial(_end_with_supervisor, dying) if sys.platform == "linux" else None,
    )
    parent = _Parent(arguments.parent, wakes)
    while child.poll() is None and not stopping and not parent.has_ended:
        parent.wait(_PARENT_CHECK_S)
    _end(child, parent, arguments.grace, arguments.grace if arguments.orphan_grace is None else arguments.orphan_grace)
    if parent.has_ended:
        for directory in arguments.remove:
            shutil.rmtree(directory, ignore_errors=True)
    return child.wait()


class _Parent:
    """Whether the parent has ended: by the pipe to it, and by the id of the process that this one belongs to."""

    def __init__(self, pid: int, wakes: int) -> None:
        self._pid, self._wakes, self._pipe = pid, wakes, sys.stdin.fileno()
        self._closed = False

    @property
    def has_ended(self) -> bool:
        return self._closed or os.getppid() != self._pid

    def wait(self, seconds: float) -> None:
        """Wait until the pipe closes or a signal comes, for so long at the most."""
        watched = [self._wakes] if self._closed else [self._wakes, self._pipe]
        readable, _, _ = select.select(watched, [], [], seconds)
        if self._wakes in readable:
            os.read(self._wakes, 512)
        if self._pipe in readable and not os.read(self._pipe, 512):
            self._closed = True


def _end(child: "subprocess.Popen[bytes]", parent: _Parent, grace_s: float, orphan_grace_s: float) -> None:
    if child.poll() is None:
        child.terminate()
    end = time.monotonic() + grace_s
    orphaned = False
    while child.poll() is None and (left := end - time.monotonic()) > 0:
        if parent.has_ended and not orphaned:
            orphaned, end = True, min(end, time.monotonic() + orphan_grace_s)
        parent.wait(min(max(0.0, left), _CHILD_CHECK_S if orphaned else _PARENT_CHECK_S))
    if child.poll() is None:
        child.kill()


def _end_with_supervisor(dying: signal.Signals) -> None:
    import ctypes

    supervisor = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, dying)
    if os.getppid() != supervisor:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main() & 0xFF)
