"""A worker with several detect processes: it starts them, the follow-up process and the API, and mends what crashes.

This process itself only watches: it reads no topic, and serves the metrics of all of them on one port.
"""

import asyncio
import logging
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

from streams.archive.redaction import redactor_of
from streams.logs import log_to_stderr
from streams.processes.supervised import SupervisedProcess
from streams.settings import Settings
from streams.topics import check_topics
from streams.worker.child_process import ORPHAN_GRACE_S
from streams.worker.group_metrics import GroupMetrics
from streams.worker.group_place import GroupPlace
from streams.worker.metrics_server import MetricsServer
from streams.worker.restarts import COULD_NOT_START, GaveUp, Restarts
from streams.worker.stop_bound import EXIT_CUT_OFF, EXIT_FAILURE, StopBound, exit_process

__all__ = ["ProcessGroup", "run_process_group", "worker_command"]

log = logging.getLogger("halt400.worker")

SIGNALS_WITHIN_S = 0.2
"""Python takes signals in the main thread, which a signal does not wake where another thread has got it."""


def run_process_group(settings: Settings, role: Literal["all", "detect"], count: int) -> NoReturn:
    """Run `count` detect processes, the API, and for the role ``all`` the follow-up process, until they are stopped.

    The exit codes are those of `halt400 worker --help`.

    Raises
    ------
    Halt400Error
        The broker does not answer, a topic is not as declared, or the port of the metrics is in use.
    """
    log_to_stderr(settings, redactor_of(settings), "worker", shown=True)
    bound = StopBound(settings.worker.stop_timeout_s)
    bound.install()
    if not _topics_are_right(settings, bound):
        log.info("Stopped before it had started.")
        exit_process(0)
    names = [f"detect-{number}" for number in range(1, count + 1)]
    names += ["follow-up"] if role == "all" else []
    names += ["api"] if settings.api.enabled else []
    with tempfile.TemporaryDirectory(prefix="halt400-", ignore_cleanup_errors=True) as directory:
        places = [GroupPlace(Path(directory) / name) for name in names]
        metrics = MetricsServer(settings.metrics, place=0, registry=GroupMetrics(places).registry)
        metrics.listen()
        log.info("The worker has %s processes: %s.", len(names), ", ".join(names))
        code = ProcessGroup(places, bound, settings.worker.stop_timeout_s).run()
        metrics.close()
    log.info("Stopped%s.", " after a failure; nothing is lost, start it again" if code == EXIT_FAILURE else "")
    exit_process(code)


def _topics_are_right(settings: Settings, bound: StopBound) -> bool:
    """Check the topics once for all processes; False where a signal came meanwhile."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(check_topics(settings.kafka))
    bound.stop_by(lambda: loop.call_soon_threadsafe(task.cancel))
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        return False
    finally:
        loop.close()
    return True


def worker_command(place: GroupPlace) -> list[str]:
    """The command of the process at a place."""
    return [sys.executable, "-m", "halt400", "worker", "--child", "--place", str(place.path)]


class _Process:
    """One place of the group, and the process that has it at the moment."""

    def __init__(self, place: GroupPlace) -> None:
        self.place, self.restarts = place, Restarts()
        self.running: SupervisedProcess | None = None
        self.started_at = 0.0
        self.start_at: float | None = 0.0
        """When it is to be started, on the monotonic clock; None while it runs."""


class ProcessGroup:
    """Keeps a process running at each place, until a signal comes or one of them crashes again and again.

    Parameters
    ----------
    bound
        Ends this process and its children where they do not stop in time.
    stop_timeout_s
        Seconds that a process may take to stop.
    command
        Program and arguments of the process at a place.
    """

    def __init__(
        self,
        places: Sequence[GroupPlace],
        bound: StopBound,
        stop_timeout_s: float,
        command: Callable[[GroupPlace], Sequence[str]] = worker_command,
    ) -> None:
        self._bound, self._stop_timeout_s, self._command = bound, stop_timeout_s, command
        self._processes = [_Process(place) for place in places]
        self._ends: queue.SimpleQueue[tuple[_Process, int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = self._cut = False
        bound.with_child(self._ask_all, self._kill_all)

    def run(self) -> int:
        """Run until all have ended; the exit code of the worker."""
        self._bound.stop_by(lambda: self._ends.put(None))
        code, cut_off = 0, False
        while not self._is_over():
            self._start_due()
            with suppress(queue.Empty):
                ended = self._ends.get(timeout=self._next_start_s())
                if ended is None:  # a signal: `_ask_all` was called too
                    continue
                process, exit_code = ended
                process.running = None
                cut_off = cut_off or exit_code == EXIT_CUT_OFF
                if not self._stopping and (failed := self._decide(process, exit_code)):
                    code = failed
                    self._bound.begin_failing()
                    self._ask_all()
        if self._cut:
            threading.Event().wait()  # the bound ends this process, with its own exit code
        return code or (EXIT_CUT_OFF if cut_off else 0)

    def _is_over(self) -> bool:
        return self._stopping and all(process.running is None for process in self._processes)

    def _next_start_s(self) -> float:
        """Seconds until a process may be due."""
        due = [process.start_at for process in self._processes if process.start_at is not None]
        return SIGNALS_WITHIN_S if not due else min(SIGNALS_WITHIN_S, max(0.0, min(due) - time.monotonic()))

    def _start_due(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            with self._lock:
                if self._stopping or process.start_at is None or process.start_at > now:
                    continue
                process.start_at, process.started_at = None, now
                process.running = self._start(process.place)
            threading.Thread(target=self._await_end, args=(process, process.running), daemon=True).start()

    def _start(self, place: GroupPlace) -> SupervisedProcess:
        return SupervisedProcess(
            self._command(place),
            None,
            grace_s=self._stop_timeout_s,
            orphan_grace_s=ORPHAN_GRACE_S,
            remove=place.path.parent,
        )

    def _await_end(self, process: _Process, running: SupervisedProcess) -> None:
        code = running.wait()
        running.kill()  # what is left of its process group
        self._ends.put((process, code))

    def _decide(self, process: _Process, code: int) -> int | None:
        """Plan the next start of a process that ended by itself; the exit code where the worker ends instead."""
        name, how = process.place.name, _how(code)
        found = process.restarts.ended(code, time.monotonic() - process.started_at)
        if isinstance(found, GaveUp):
            if found.could_not_start:
                log.critical("The worker ends: %s could not start; its own line says why.", name)
                return COULD_NOT_START
            log.critical("The worker ends: %s %s, and crashed %s times in a row.", name, how, found.crashes)
            return EXIT_FAILURE
        log.error(
            "%s %s; it is started again in %g s (crash %s in a row). Nothing is lost.",
            name,
            how,
            found.pause_s,
            found.crash,
        )
        process.start_at = time.monotonic() + found.pause_s
        return None

    def _ask_all(self) -> None:
        with self._lock:
            self._stopping = True
            running = [process.running for process in self._processes if process.running is not None]
            for process in self._processes:
                process.start_at = None
        for asked in running:
            asked.ask_to_stop()
        self._ends.put(None)

    def _kill_all(self) -> None:
        self._cut = True
        for process in self._processes:
            if (running := process.running) is not None:
                running.kill()


def _how(code: int) -> str:
    """How a process ended; the one between us and it gives a signal as 256 less its number."""
    number = 256 - code
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"ended with code {code}"
