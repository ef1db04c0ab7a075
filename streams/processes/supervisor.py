"""The supervisor: a process between us and a child process, which ends the child when we end, even by SIGKILL.

Run as a script by `streams.processes.supervised`; it imports the standard library only::

    supervisor.py --parent PID --grace SECONDS [--remove DIRECTORY] -- COMMAND...

The child is stopped (SIGTERM, then SIGKILL after the grace period) when the supervisor gets SIGTERM, SIGINT or SIGHUP,
when its standard input closes (the parent has ended), or when it has another parent than PID (a fork of the parent
inherited the pipe and lives on). The directory is removed only when the parent has ended: a parent that lives may still
read the log there.

On Linux the child also gets SIGTERM from the kernel when the supervisor is killed. The kernel sends it when the thread
that forked ends, not the process; that is safe here because the supervisor has one thread.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_S = 0.5


def main() -> int:
    """Run the command until it ends or is stopped, and return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
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

    child = subprocess.Popen(
        arguments.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_supervisor if sys.platform == "linux" else None,
    )
    watched = [wakes, sys.stdin.fileno()]
    orphaned = False
    while child.poll() is None and not stopping and os.getppid() == arguments.parent:
        readable, _, _ = select.select(watched, [], [], _PARENT_CHECK_S)
        if wakes in readable:
            os.read(wakes, 512)
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 512):
            orphaned = True
            break
    code = _end(child, arguments.grace)
    if orphaned or os.getppid() != arguments.parent:
        for directory in arguments.remove:
            shutil.rmtree(directory, ignore_errors=True)
    return code


def _end(child: "subprocess.Popen[bytes]", grace_s: float) -> int:
    child.terminate()
    try:
        return child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _end_with_supervisor() -> None:
    import ctypes

    supervisor = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main() & 0xFF)
