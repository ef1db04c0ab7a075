"""The common part of the local servers: directory, port, start until the server answers, stop."""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from halt400.errors import LocalServiceError
from streams.local.ports import claim, free_ports, is_free
from streams.processes.supervised import SupervisedProcess

__all__ = ["LocalService"]

_POLL_S = 0.05
_PORT_ATTEMPTS = 3
_KILL_TIMEOUT_S = 15.0
_IN_USE = ("Address already in use", "BindException")


class LocalService(ABC):
    """A server on 127.0.0.1 that this process starts and stops.

    Parameters
    ----------
    port
        Where it listens; 0 picks a free port, which stays the same after `kill` and `start`.
    data_dir
        Where its data are; None for a temporary directory, removed by `stop`.
    start_timeout_s
        How long it may take to answer.
    """

    title = "the local service"
    _extra_ports = 0

    def __init__(self, port: int = 0, data_dir: Path | None = None, *, start_timeout_s: float = 90.0) -> None:
        self._owner = os.getpid()
        self._wanted_port = port
        self._ports: list[int] = []
        self._given_dir = data_dir.expanduser().absolute() if data_dir else None
        self._dir: Path | None = None
        self._start_timeout_s = start_timeout_s
        self._process: SupervisedProcess | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        if not self._ports:
            raise LocalServiceError(f"{self.title} was never started, so it has no port.", "Call start() first.")
        return self._ports[0]

    @property
    def directory(self) -> Path:
        """Where its data are, once started."""
        if self._dir is None:
            raise LocalServiceError(f"{self.title} is not started, so it has no directory.", "Call start() first.")
        return self._dir

    @property
    def log_path(self) -> Path:
        """The server's log file."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int | None:
        """The process group of the server and its supervisor; None when it is not running."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.running

    def start(self) -> Self:
        """Start, or start again after `kill` on the same port and data; returns when the server answers.

        Raises
        ------
        LocalServiceError
            No Java, no jars, port in use, or no answer in time; the message ends with the last log lines.
        """
        if self.running:
            return self
        if self._process is not None:
            self._process.stop()
        keep_ports = bool(self._ports) or self._wanted_port != 0
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._choose_ports()
            try:
                self._launch()
                self._await_answer()
            except BaseException as error:
                lost_the_port = isinstance(error, LocalServiceError) and any(text in str(error) for text in _IN_USE)
                self.stop()
                if not lost_the_port or keep_ports or attempt == _PORT_ATTEMPTS:
                    raise
                self._ports = []
            else:
                break
        return self

    def stop(self, *, keep: bool = False) -> None:
        """Stop the server; remove its temporary data unless `keep` leaves them for another `start`."""
        if os.getpid() != self._owner:
            return
        if self._process is not None:
            self._process.stop()
            self._process = None
        if not keep and self._given_dir is None and self._dir is not None:
            shutil.rmtree(self._dir, ignore_errors=True)
            self._dir = None
            atexit.unregister(self.stop)

    def kill(self) -> None:
        """Kill the server (SIGKILL), as a power cut would, and wait for its ports to be free; data stay for `start`."""
        if self._process is not None:
            self._process.kill()
            self._process = None
            # The server is a child of the supervisor, not of this process: the kernel may still be ending it.
            deadline = time.monotonic() + _KILL_TIMEOUT_S
            while not all(is_free(port) for port in self._ports) and time.monotonic() < deadline:
                time.sleep(_POLL_S)

    def wait(self) -> None:
        """Block until the server ends.

        Raises
        ------
        LocalServiceError
            It ended; the message ends with the last log lines.
        """
        if self._process is not None:
            code = self._process.wait()
            raise self._failure(f"{self.title} ended with code {code}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Prepare the directory and return the server's command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server answers; False or an `OSError` where it does not yet."""

    def _choose_ports(self) -> None:
        if not self._ports:
            first = [self._wanted_port] if self._wanted_port else []
            self._ports = first + free_ports(1 + self._extra_ports - len(first))
        for port in self._ports:
            claim(port, self.title)

    def _launch(self) -> None:
        if self._dir is None and self._given_dir is None:
            self._dir = Path(tempfile.mkdtemp(prefix=f"halt400-{type(self).__name__.lower()}-"))
            atexit.register(self.stop)
        elif self._given_dir is not None:
            self._dir = self._given_dir
        assert self._dir is not None
        self._dir.mkdir(parents=True, exist_ok=True)
        temporary = self._dir if self._given_dir is None else None
        with (self._dir / "in-use.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LocalServiceError(
                    f"The directory {self._dir} is in use by another server.",
                    "Stop that one, or choose another --data.",
                ) from error
            # The lock is on the open file, which the supervisor inherits and closes when the server has ended.
            self._process = SupervisedProcess(self._command(), self.log_path, remove=temporary, keep_open=lock.fileno())

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                raise self._failure(f"{self.title} ended while starting")
            with suppress(OSError):
                if self._answers():
                    return
            time.sleep(_POLL_S)
        raise self._failure(f"{self.title} did not answer on port {self.port} within {self._start_timeout_s:g} s")

    def _failure(self, what: str) -> LocalServiceError:
        tail = self._process.error_lines() or self._process.log_tail() if self._process is not None else ""
        place = f"The whole log is {self.log_path}." if self._given_dir else "With a --data directory the log is kept."
        return LocalServiceError(f"{what}. Its last log lines:\n{tail}\n", place)
