"""A program as a process that begins with its modules loaded: a fork of one that each process of tests starts once.

Most of what the start of `halt400` or of a crawl of Scrapy costs is the import of its modules. What tests the start
itself is in tests/cli/test_start.py; a worker starts its follow-up process by itself.
"""

import atexit
import gc
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

__all__ = ["PreloadedProcess"]

REPOSITORY = Path(__file__).parents[1]
MODULES = {
    "halt400": (
        "streams.worker.run",
        "streams.worker.detect_process",
        "streams.worker.follow_up_process",
        "halt400.cli.app",
        "streams.cli",
        "typer.rich_utils",
    ),
    # None that installs a reactor, which is a setting of the crawl.
    "scrapy": (
        "scrapy.cmdline",
        "scrapy.commands.runspider",
        "scrapy.core.engine",
        "halt400.integrations.scrapy",
        "aiokafka",
    ),
}
"""What is imported beforehand, by program."""


class Request(NamedTuple):
    """What a process begins with; its output goes to files, which may be one."""

    arguments: list[str]
    environment: dict[str, str]
    out: str
    err: str


class PreloadedProcess:
    """A run of a program, with what tests use of `subprocess.Popen`.

    Parameters
    ----------
    program
        One of `MODULES`, which is run as ``python -m`` does.
    environment
        All its variables. Those that Python reads at its own start are of no effect.
    out, err
        The files that its output and its errors are written to.
    """

    def __init__(
        self, *arguments: str, environment: Mapping[str, str], out: Path, err: Path, program: str = "halt400"
    ) -> None:
        self.args = [program, *arguments]
        self.returncode: int | None = None
        self._connection = Client(_forking_process(program))
        self._connection.send(Request(self.args, dict(environment), str(out), str(err)))
        self.pid: int = self._connection.recv()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None and self._connection.poll():
            self.returncode = self._connection.recv()
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises ``subprocess.TimeoutExpired``."""
        if self.returncode is None:
            self._connection.poll(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal where it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(9)


@cache
def _forking_process(program: str) -> str:
    """The address of the process that forks a program; it ends with this one."""
    directory = TemporaryDirectory()
    address = f"{directory.name}/requests"
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, address, program],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()

    def end() -> None:
        process.kill()
        process.communicate()
        directory.cleanup()

    atexit.register(end)
    return address


def _serve(address: str, program: str) -> Request:
    """Answer requests for ever; in a process that is to become the program, return its request."""
    parent = os.getppid()
    for module in MODULES[program]:
        import_module(module)
    gc.collect()
    gc.freeze()
    with Listener(address, "AF_UNIX", backlog=64) as listener:
        print("listening", flush=True)
        while os.getppid() == parent:
            connection = listener.accept()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                return _watched(connection)
            connection.close()
    raise SystemExit


def _watched(connection: Connection) -> Request:
    """Fork once more: this process waits for the end of the other, which returns its request."""
    request: Request = connection.recv()
    pid = os.fork()
    if pid == 0:
        return request
    connection.send(pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        connection.send(code)
    os._exit(0)


def _become(request: Request) -> None:
    for number, path in ((1, request.out), (2, request.err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = sys.orig_argv = request.arguments
    runpy.run_module(request.arguments[0], run_name="__main__")


if __name__ == "__main__":
    _become(_serve(*sys.argv[1:]))
