"""Run a worker in this process until it is told to stop."""

import asyncio
import gc
import logging
import sys
from typing import NoReturn

import faust

from streams.app import build_app
from streams.failure import EXIT_FAILURE
from streams.settings import Settings
from streams.topics import check_topics

__all__ = ["run_worker"]

log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> NoReturn:
    """Check the topics, run the worker, and exit: 0 after SIGINT or SIGTERM, 70 after a failure.

    Raises
    ------
    Halt400Error
        The broker does not answer, or a topic is not as declared: the worker is not started.
    """
    logging.basicConfig(
        level=settings.worker.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    for chatty in ("faust", "mode", "botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(check_topics(settings.kafka))
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, logging.getLogger().level))
    # Records and rows live long and form no cycles: the default thresholds would walk them thousands of times a minute.
    gc.set_threshold(100_000, 50, 100)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_app(settings)
    worker = faust.Worker(app, loop=loop, loglevel=None, override_logging=False, quiet=True, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    except SystemExit:
        if app.failure is None:
            raise
    except BaseException:
        if app.failure is None:
            log.exception("The worker ended.")
    sys.exit(EXIT_FAILURE)
