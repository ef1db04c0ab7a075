"""Starts a worker process and runs it until it is stopped: checks, logging, process settings, exit code."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any, Literal, NoReturn, cast

import faust

from streams.archive.redaction import redactor_of
from streams.logs import log_to_stderr
from streams.settings import Settings
from streams.topics import await_group_coordinator, check_topics
from streams.worker.allocator import keep_freed_memory
from streams.worker.child_process import ChildProcess
from streams.worker.failure import end_process
from streams.worker.faust_app import DETECT_GROUP, FOLLOW_UP_GROUP, Halt400App
from streams.worker.group_place import GroupPlace
from streams.worker.start_check import check_start
from streams.worker.stop_bound import EXIT_CUT_OFF, EXIT_FAILURE, StopBound, exit_process

__all__ = ["Role", "run_worker"]

FOLLOW_UP_NICENESS = 10
"""Where processors are scarce, detection runs first."""

SWITCH_INTERVAL_S = 0.0005
"""The thread that reads from Kafka releases the interpreter lock with each read of a socket, and waits this long to get
it back while events are counted. With Python's default of 5 ms it fetches fewer events than are counted meanwhile."""

CHILD_SHARE = 0.9
"""The follow-up process has this share of the bound, so that the detect process can wait for its end."""

Role = Literal["all", "detect", "follow-up"]

log = logging.getLogger("halt400.worker")


def run_worker(
    settings: Settings, role: Role = "all", *, is_child: bool = False, place: GroupPlace | None = None
) -> NoReturn:
    """Check the topics, run the worker, and exit; the exit codes are those of `halt400 worker --help`.

    Parameters
    ----------
    role
        ``detect`` reads responses and issues commands; ``follow-up`` archives offences and alerts people; ``all`` is a
        detect process with a follow-up process as its child.
    is_child
        Whether this is that child.
    place
        The place of this process in a worker with several, which decides on the role.

    Raises
    ------
    Halt400Error
        The broker does not answer, or a topic is not as declared: the worker is not started.
    """
    timeout_s = settings.worker.stop_timeout_s * (CHILD_SHARE if is_child else 1.0)
    if place is not None:
        if place.role == "api":
            from streams.worker.api_process import run_api_process

            run_api_process(settings, place, timeout_s)
        role = cast(Role, place.role)
    _log(settings, role, place)
    bound = StopBound(timeout_s, is_child=is_child)
    bound.install()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        app, child = _start(settings, role, place, loop, bound)
    except asyncio.CancelledError:
        log.info("Stopped before it had started.")
        exit_process(0)
    failed = _run(app, loop, bound)
    log.info("Stopped%s.", " after a failure; nothing is lost, start it again" if failed else "")
    exit_process(EXIT_FAILURE if failed else EXIT_CUT_OFF if child.exit_code == EXIT_CUT_OFF else 0)


def _start(
    settings: Settings, role: Role, place: GroupPlace | None, loop: asyncio.AbstractEventLoop, bound: StopBound
) -> tuple[Halt400App, ChildProcess]:
    """Check the topics, and start the services and the child; a signal meanwhile raises ``CancelledError``."""
    _complete(loop, bound, check_start(partial(_check, settings, role), is_child=bound.is_child))
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    _tune_process(role)
    app = _build_app(settings, role, place)
    app.on_failure = bound.begin_failing
    child = ChildProcess("follow-up", partial(end_process, app), settings.worker.stop_timeout_s)
    if role == "all":
        app.services.append(child)
        bound.with_child(child.ask_to_stop, child.kill)
    try:
        _complete(loop, bound, app.start_services())
    except BaseException:
        loop.run_until_complete(app.stop_services())
        raise
    if role != "follow-up":
        _log_api(app)
    return app, child


def _build_app(settings: Settings, role: Role, place: GroupPlace | None) -> Halt400App:
    # Each process imports its own half: the other would cost its start half a second of processor time.
    if role == "follow-up":
        from streams.worker.follow_up_process import build_follow_up_app

        return build_follow_up_app(settings, place)
    from streams.worker.detect_process import build_detect_app

    return build_detect_app(settings, place)


def _log_api(app: Halt400App) -> None:
    from streams.api.server import ApiServer

    for service in app.services:
        if isinstance(service, ApiServer):
            log.info("The API answers at %s.", service.url)


async def _check(settings: Settings, role: Role) -> None:
    await check_topics(settings.kafka)
    await await_group_coordinator(settings.kafka, FOLLOW_UP_GROUP if role == "follow-up" else DETECT_GROUP)


def _complete(loop: asyncio.AbstractEventLoop, bound: StopBound, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a part of the start; a signal cancels it."""
    task = loop.create_task(coroutine)
    bound.stop_by(lambda: loop.call_soon_threadsafe(task.cancel))
    loop.run_until_complete(task)


def _tune_process(role: Role) -> None:
    # Records and rows live long and form no cycles: the default thresholds would walk them thousands of times a minute.
    gc.set_threshold(100_000, 50, 100)
    if role == "follow-up":
        os.nice(FOLLOW_UP_NICENESS)
    else:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        keep_freed_memory()


def _run(app: Halt400App, loop: asyncio.AbstractEventLoop, bound: StopBound) -> bool:
    """Run the app until it is stopped or fails; whether it failed."""
    worker = _Worker(app, loop=loop, loglevel=None, override_logging=False, quiet=True, redirect_stdouts=False)
    worker.spinner = None
    bound.stop_by(lambda: loop.call_soon_threadsafe(worker._schedule_shutdown, signal.SIGTERM))
    reason: BaseException | None = None
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        # Of a start that fails, such as with Kafka lost in the middle of it, the services know nothing.
        crashed, reason = end.code not in (None, 0), end.__context__
    except KeyboardInterrupt:
        crashed = False
    except Exception as error:
        crashed, reason = True, error
    if crashed and app.failure is None:
        log.critical("The worker ended: %r", worker.crash_reason or app.crash_reason or reason)
    return crashed or app.failure is not None


class _Worker(faust.Worker):
    def _install_signal_handlers_unix(self) -> None:
        """Leave SIGINT and SIGTERM to the `StopBound`; SIGUSR1 logs what every thread and task does."""
        self.loop.add_signal_handler(signal.SIGUSR1, self._on_sigusr1)

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        await cast(Halt400App, self.app).stop_services()


def _log(settings: Settings, role: Role, place: GroupPlace | None) -> None:
    name = place.name if place is not None else "follow-up" if role == "follow-up" else "detect"
    log_to_stderr(settings, redactor_of(settings), name, shown=place is not None)
    quiet = max(logging.WARNING, logging.getLogger().level)
    # Faust's services log under the module of their class, ours included.
    for name in ("boto3", "botocore", "faust", "mode", "streams.worker.faust_app", "streams.transport", "urllib3"):
        logging.getLogger(name).setLevel(quiet)
