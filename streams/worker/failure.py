"""How an unexpected error ends the process, with nothing committed that is not durable.

Faust would skip the event that an agent failed on and commit past it. A process that a supervisor starts again reads
it again.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from halt400.errors import BrokerUnavailable
from streams.transport import StaleSend

__all__ = ["end_process", "ends_the_process"]

log = logging.getLogger("halt400.worker")


async def end_process(app: Any, error: BaseException) -> None:
    """Stop the worker because of `error`, within the bound of `streams.worker.stop_bound`."""
    if app.failure is not None:
        return
    if _comes_of_stopping(app, error):
        log.info("Stopped before it was done: %s", error)
        return
    app.failure = error
    log.critical("The worker ends: %s: %s", type(error).__name__, error, exc_info=error)
    app.on_failure()
    await app.crash(error)


def _comes_of_stopping(app: Any, error: BaseException) -> bool:
    """Whether a worker that stops anyway only came too late: what it waited for is closed, or its partitions moved.

    Nothing of what it did not end is committed. Faust does not tell an app that stops that partitions were revoked.
    """
    return app.should_stop and isinstance(error, BrokerUnavailable | StaleSend)


def ends_the_process(app: Any) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """Decorate an agent or a task of `app`: an error in it ends the worker."""

    def decorate(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @wraps(function)
        async def guarded(*arguments: Any) -> None:
            try:
                await function(*arguments)
            except Exception as error:
                is_late = _comes_of_stopping(app, error)
                await end_process(app, error)
                if not is_late:
                    raise

        return guarded

    return decorate
