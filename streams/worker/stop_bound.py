"""The bound on a stop: the process ends in time from the first signal on, whatever is away, and at once at a second.

A thread of its own watches, so that it holds when the event loop, an upload, a name server or the log does not move.
"""

import logging
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from types import FrameType
from typing import NoReturn

__all__ = ["EXIT_CUT_OFF", "EXIT_FAILURE", "StopBound", "exit_process"]

log = logging.getLogger("halt400.worker")

EXIT_FAILURE = 70
"""Any failure with nothing lost."""
EXIT_CUT_OFF = 75
"""Stopped on demand, but not within the bound: what was not committed is read again."""
FAILURE_TIMEOUT_S = 10.0
LOG_WITHIN_S = 0.5
"""The bound does not wait longer for a log whose reader is away."""
_FAILURE = 0


class StopBound:
    """Stops the process on SIGINT and SIGTERM, and ends it where it has not stopped in time.

    Parameters
    ----------
    timeout_s
        Seconds from the first signal to the end at the latest.
    failure_timeout_s
        Seconds from a failure to the end at the latest, where that is sooner. A worker that failed still is a member
        of its group, and where the group is rebalancing no other worker has its partitions until this one has ended.
    is_child
        The parent stops this process, or ends it. A signal that comes again changes nothing: a service manager sends
        one to all of a service's processes, and the parent sends one too.
    """

    def __init__(
        self, timeout_s: float, *, failure_timeout_s: float = FAILURE_TIMEOUT_S, is_child: bool = False
    ) -> None:
        self._timeout_s, self.is_child = timeout_s, is_child
        self._failure_timeout_s = min(timeout_s, failure_timeout_s)
        self._wakes, self._wake = os.pipe()
        self._lock = Lock()
        self._begun = self._on_demand = False
        self._code = EXIT_CUT_OFF
        self._stop: Callable[[], object] = _do_nothing
        self._on_begin: list[Callable[[], None]] = []
        self._on_cut: list[Callable[[], None]] = []

    @property
    def stopping(self) -> bool:
        """Whether a signal has come."""
        return self._on_demand

    def install(self) -> None:
        """Take SIGINT and SIGTERM from here on; call it in the main thread."""
        Thread(target=self._watch, name="stop-bound", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take_signal)

    def stop_by(self, stop: Callable[[], object]) -> None:
        """Call `stop` at the first signal, from another thread; at once where that has come already."""
        with self._lock:
            self._stop = stop
            if not self._on_demand:
                return
        stop()

    def with_child(self, ask: Callable[[], None], kill: Callable[[], None]) -> None:
        """Let a child process end with this one.

        Parameters
        ----------
        ask
            Called when the stop begins, also for a failure.
        kill
            Called before this process ends without having stopped.
        """
        self._on_begin.append(ask)
        self._on_cut.append(kill)

    def begin_failing(self) -> None:
        """Begin the bound for a failure: the process is about to stop by itself, with the exit code 70."""
        os.write(self._wake, bytes([_FAILURE]))

    def _take_signal(self, number: int, _frame: FrameType | None) -> None:
        # Nothing else is safe here: the main thread may hold the lock of the log.
        os.write(self._wake, bytes([number]))

    def _watch(self) -> None:
        end, within_s = math.inf, 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakes, selectors.EVENT_READ)
            while True:
                if not selector.select(None if end == math.inf else max(0.0, end - time.monotonic())):
                    self._cut(self._code, f"Not stopped within {within_s:g} s: ended. {_NOTHING_LOST}")
                for number in os.read(self._wakes, 64):
                    timeout_s = self._failure_timeout_s if number == _FAILURE else self._timeout_s
                    if time.monotonic() + timeout_s < end:
                        end, within_s = time.monotonic() + timeout_s, timeout_s
                    self._take(number)

    def _take(self, number: int) -> None:
        if number == _FAILURE:
            self._code = EXIT_FAILURE
        elif not self._on_demand:
            name = signal.Signals(number).name
            _say(
                logging.INFO,
                f"{name}: stopping, within {self._timeout_s:g} s whatever does not answer"
                + ("." if self.is_child else "; a second signal ends it at once."),
            )
            with self._lock:
                self._on_demand = True
                stop = self._stop
            with suppress(RuntimeError):  # the event loop is closed: it has stopped
                stop()
        elif not self.is_child:
            self._cut(128 + number, f"{signal.Signals(number).name} again: ended at once. {_NOTHING_LOST}")
        if not self._begun:
            self._begun = True
            for ask in self._on_begin:
                ask()

    def _cut(self, code: int, line: str) -> NoReturn:
        for kill in self._on_cut:
            kill()
        _say(logging.CRITICAL, line)
        os._exit(code)


_NOTHING_LOST = "Nothing is lost: what was not committed is read again."


def exit_process(code: int) -> NoReturn:
    """End the process after an orderly stop, and wait for no upload or name server that does not answer."""
    _within(LOG_WITHIN_S, logging.shutdown)
    os._exit(code)


def _say(level: int, line: str) -> None:
    _within(LOG_WITHIN_S, lambda: log.log(level, line))


def _within(seconds: float, act: Callable[[], None]) -> None:
    thread = Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)


def _do_nothing() -> None:
    pass
