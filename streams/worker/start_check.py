"""What is checked before a worker starts, and how often: a broker that fails meanwhile is no reason not to start."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from halt400.errors import BrokerUnavailable
from streams.topics import BrokerFailed

__all__ = ["check_start"]

log = logging.getLogger("halt400.worker")

ATTEMPTS = 30
PAUSE_S = 1.0


async def check_start(check: Callable[[], Awaitable[None]], *, is_child: bool, pause_s: float = PAUSE_S) -> None:
    """Run the checks, again where a broker fails that had answered: the others may have its part.

    Parameters
    ----------
    is_child
        The parent works already, so that its Kafka is right: the checks are run again also where none answers.

    Raises
    ------
    BrokerUnavailable
        No broker answers at the first attempt, or none did at the last.
    TopicMismatch
        A topic is not as declared.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await check()
        except BrokerUnavailable as error:
            if attempt == ATTEMPTS or not (is_child or isinstance(error, BrokerFailed)):
                raise
            if attempt == 1:
                log.warning("The start waits for Kafka: %s", error)
            await asyncio.sleep(pause_s)
        else:
            return
