"""The API process of a worker with several: it serves the API and the page for all of them, on one port."""

import asyncio
import logging
import sys
from typing import NoReturn

from streams.archive.redaction import redactor_of
from streams.logs import log_to_stderr
from streams.page import page_server
from streams.settings import Settings
from streams.worker.group_metrics import MetricsSocket
from streams.worker.group_place import GroupPlace
from streams.worker.stop_bound import StopBound, exit_process

__all__ = ["run_api_process"]

SWITCH_INTERVAL_S = 0.0005
"""A thread ranks all targets while requests are answered: with Python's default of 5 ms each answer waits for it."""

log = logging.getLogger("halt400.worker")


def run_api_process(settings: Settings, place: GroupPlace, stop_timeout_s: float) -> NoReturn:
    """Serve the API until the worker stops this process; it follows the topics, and so answers for every target.

    Raises
    ------
    SettingError
        The server cannot listen where it is told to.
    """
    log_to_stderr(settings, redactor_of(settings), place.name, shown=True)
    for chatty in ("aiohttp", "aiokafka", "kafka"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    bound = StopBound(stop_timeout_s, is_child=True)
    bound.install()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(_serve(settings, place, bound))
    exit_process(0)


async def _serve(settings: Settings, place: GroupPlace, bound: StopBound) -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    bound.stop_by(lambda: loop.call_soon_threadsafe(stopping.set))
    metrics = MetricsSocket(place)
    await metrics.start()
    async with page_server(settings) as server:
        log.info("The API answers at %s.", server.url)
        await stopping.wait()
    await metrics.stop()
