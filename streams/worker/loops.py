"""The loops of a process: what a worker does again and again beside its agents."""

from collections.abc import Awaitable, Callable
from typing import Any

from streams.worker.failure import ends_the_process

__all__ = ["run_every"]


def run_every(app: Any, interval_s: float | Callable[[], float], action: Callable[[], Awaitable[None]]) -> None:
    """Add a loop to `app` that sleeps and awaits `action` until the app stops; an error in it ends the process.

    Parameters
    ----------
    interval_s
        Seconds between the end of one call and the start of the next; a function is asked before each sleep.
    """

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def loop(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(interval_s() if callable(interval_s) else interval_s)
            await action()
