"""How a loop is added to an app: what a worker does again and again beside its agents."""

from collections.abc import Awaitable, Callable
from typing import Any

from streams.worker.failure import ends_the_process

__all__ = ["run_every", "run_repeatedly"]


def run_repeatedly(app: Any, action: Callable[[], Awaitable[None]]) -> None:
    """Add a loop to `app` that awaits `action` until the app stops; an error in it ends the process."""

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def loop(_app: Any) -> None:
        while not app.should_stop:
            await action()


def run_every(app: Any, interval_s: float | Callable[[], float], action: Callable[[], Awaitable[None]]) -> None:
    """Add a loop to `app` that sleeps before each `action`.

    Parameters
    ----------
    interval_s
        Seconds from the end of one call to the start of the next; a function is called before each sleep.
    """

    async def sleep_and_act() -> None:
        await app.sleep(interval_s() if callable(interval_s) else interval_s)
        await action()

    run_repeatedly(app, sleep_and_act)
