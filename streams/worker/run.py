"""Starts a worker process and runs it until it is stopped: checks, logging, process settings, exit code."""

import asyncio
import gc
import logging
import os
import sys
from functools import partial
from typing import Literal, NoReturn, cast

import faust

from streams.api.server import ApiServer
from streams.archive.redaction import redactor_of
from streams.logs import log_to_stderr
from streams.settings import Settings
from streams.topics import await_group_coordinator, check_topics
from streams.worker.child_process import ChildProcess
from streams.worker.detect_process import DETECT_GROUP, build_detect_app
from streams.worker.failure import EXIT_FAILURE, end_process
from streams.worker.faust_app import Halt400App
from streams.worker.follow_up_process import FOLLOW_UP_GROUP, build_follow_up_app

__all__ = ["Role", "run_worker"]

FOLLOW_UP_NICENESS = 10
"""Where processors are scarce, detection runs first."""

SWITCH_INTERVAL_S = 0.0005
"""The thread that reads from Kafka releases the interpreter lock with each read of a socket, and waits this long to get
it back while events are counted. With Python's default of 5 ms it fetches fewer events than are counted meanwhile."""

Role = Literal["all", "detect", "follow-up"]

log = logging.getLogger("halt400.worker")


def run_worker(settings: Settings, role: Role = "all") -> NoReturn:
    """Check the topics, run the worker, and exit: 0 after SIGINT or SIGTERM, 70 after a failure.

    Parameters
    ----------
    role
        ``detect`` reads responses and issues commands; ``follow-up`` archives offences and alerts people; ``all`` is a
        detect process with a follow-up process as its child.

    Raises
    ------
    Halt400Error
        The broker does not answer, or a topic is not as declared: the worker is not started.
    """
    _log(settings, role)
    asyncio.run(check_topics(settings.kafka))
    asyncio.run(await_group_coordinator(settings.kafka, FOLLOW_UP_GROUP if role == "follow-up" else DETECT_GROUP))
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    _tune_process(role)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_follow_up_app(settings) if role == "follow-up" else build_detect_app(settings)
    if role == "all":
        app.services.append(ChildProcess("follow-up", on_end=partial(end_process, app)))
    try:
        loop.run_until_complete(app.start_services())
    except BaseException:
        loop.run_until_complete(app.stop_services())
        raise
    for service in app.services:
        if isinstance(service, ApiServer):
            log.info("The API answers at %s.", service.url)
    failed = _run(app, loop)
    log.info("Stopped%s.", " after a failure; nothing is lost, start it again" if failed else "")
    sys.exit(EXIT_FAILURE if failed else 0)


def _tune_process(role: Role) -> None:
    # Records and rows live long and form no cycles: the default thresholds would walk them thousands of times a minute.
    gc.set_threshold(100_000, 50, 100)
    if role == "follow-up":
        os.nice(FOLLOW_UP_NICENESS)
    else:
        sys.setswitchinterval(SWITCH_INTERVAL_S)


def _run(app: Halt400App, loop: asyncio.AbstractEventLoop) -> bool:
    """Run the app until it is stopped or fails; whether it failed."""
    worker = _Worker(app, loop=loop, loglevel=None, override_logging=False, quiet=True, redirect_stdouts=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        crashed = end.code not in (None, 0)
    except KeyboardInterrupt:
        crashed = False
    except Exception:
        crashed = True
    if crashed and app.failure is None:
        log.critical("The worker ended: %r", worker.crash_reason or app.crash_reason)
    return crashed or app.failure is not None


class _Worker(faust.Worker):
    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        await cast(Halt400App, self.app).stop_services()


def _log(settings: Settings, role: Role) -> None:
    log_to_stderr(settings, redactor_of(settings), "follow-up" if role == "follow-up" else "detect")
    quiet = max(logging.WARNING, logging.getLogger().level)
    # Faust's services log under the module of their class, ours included.
    for name in ("boto3", "botocore", "faust", "mode", "streams.worker.faust_app", "streams.transport", "urllib3"):
        logging.getLogger(name).setLevel(quiet)
