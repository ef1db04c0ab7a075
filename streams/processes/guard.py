"""Stands between us and a local server, so that the server never outlives us, however we end.

Run as a script by `streams.processes.guarded`, standard library only::

    guard.py --parent PID --grace SECONDS [--remove DIRECTORY] -- COMMAND...

The server is stopped (SIGTERM, then SIGKILL after the grace period) when the guard gets SIGTERM, SIGINT or SIGHUP, when
its standard input closes (the parent is gone, even by SIGKILL), or when it has another parent than the one it was
told (the pipe was inherited by a fork of the parent that lives on). A directory is removed only if the parent is gone:
while it lives, it may want to read the log there.

On Linux the server also gets SIGTERM from the kernel when the guard itself is killed. That signal follows the thread
that forked, not the process; it is safe here, and would not be in the parent, because the guard has one thread.
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
    """Run the command until it ends or must end, and return its exit code."""
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

    server = subprocess.Popen(
        arguments.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_guard if sys.platform == "linux" else None,
    )
    watched = [wakes, sys.stdin.fileno()]
    orphaned = False
    while server.poll() is None and not stopping and os.getppid() == arguments.parent:
        readable, _, _ = select.select(watched, [], [], _PARENT_CHECK_S)
        if wakes in readable:
            os.read(wakes, 512)
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 512):
            orphaned = True
            break
    code = _end(server, arguments.grace)
    if orphaned or os.getppid() != arguments.parent:
        for directory in arguments.remove:
            shutil.rmtree(directory, ignore_errors=True)
    return code


def _end(server: "subprocess.Popen[bytes]", grace_s: float) -> int:
    server.terminate()
    try:
        return server.wait(grace_s)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def _die_with_guard() -> None:
    import ctypes

    guard = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != guard:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main() & 0xFF)
