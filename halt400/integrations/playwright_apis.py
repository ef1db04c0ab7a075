"""One code for both of Playwright's APIs.

What the asynchronous one gives is awaited, what the synchronous one gives is there already. Coroutines call Playwright
by ``await settled(page.goto(...))``. With the synchronous API nothing in them ever suspends, so that they run to their
end where they are called.
"""

import asyncio
from collections.abc import Callable, Coroutine
from inspect import isawaitable
from typing import Any

import greenlet

__all__ = ["Api", "settled"]

Work = Coroutine[Any, Any, Any]


async def settled(result: Any) -> Any:
    """Return what a call of Playwright gives, of either API."""
    return await result if isawaitable(result) else result


class Api:
    """Runs work in the event loop of a Playwright object, which the synchronous API has too.

    Parameters
    ----------
    is_sync
        Whether the object is of the synchronous API.
    """

    def __init__(self, *, is_sync: bool) -> None:
        self.is_sync = is_sync
        self.loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    def result_of(self, work: Work) -> Any:
        """Return what a method of Playwright's returns: its result, or a coroutine of it."""
        if not self.is_sync:
            return work
        try:
            work.send(None)
        except StopIteration as end:
            return end.value
        raise RuntimeError("A coroutine for Playwright's synchronous API has awaited something else than its calls.")

    def begin(self, work: Callable[[], Work]) -> None:
        """Run work that nobody waits for; from the loop's thread."""
        if not self.is_sync:
            task = self.loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            # From the loop itself, so that work that waits holds up nobody.
            self.loop.call_soon(lambda: greenlet.greenlet(lambda: self.result_of(work())).switch())

    def begin_from_any_thread(self, work: Callable[[], Work]) -> None:
        """Run work that nobody waits for; it is none where the loop has ended."""
        if not self.loop.is_closed():
            try:
                self.loop.call_soon_threadsafe(self.begin, work)
            except RuntimeError:
                return
