"""Writes evidence with many threads, and retries for as long as the archive is unavailable."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar, cast

from halt400.backoff import Backoff
from streams import metrics
from streams.archive.interface import Archive, ArchiveUnavailable

__all__ = ["MANIFEST_THREADS", "ArchiveWriter", "PendingObject"]

log = logging.getLogger("halt400.archive")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
RETRIES_AT_ONCE = 4
"""Most uploads that are tried at the same time while the archive is unavailable."""
MANIFEST_THREADS = 64
"""Most threads for manifests, which are apart from those for evidence."""

Result = TypeVar("Result")

PendingObject = tuple[str, Callable[[], bytes]]
"""A key, and a function that makes the object's bytes in the thread that writes them."""


class _WaitingObjects(NamedTuple):
    """Objects that no thread writes yet, at most a batch; `written` is done when they are durable."""

    objects: Sequence[PendingObject]
    written: asyncio.Future[None]


class ArchiveWriter:
    """Writes the objects of folds in parallel; `write` returns when all of them are durable.

    What waits for a thread is written in one batch, of whatever folds it is: a batch costs a directory little more than
    one object does.

    Parameters
    ----------
    parallel
        Number of threads.

    Attributes
    ----------
    unavailable_since
        Event-loop time since when the archive is unavailable; None while it is available.
    unavailable_reason
        Its latest error while it is unavailable; None while it is available.
    written
        Objects written since the start.
    """

    def __init__(self, archive: Archive, *, parallel: int) -> None:
        self._archive = archive
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="archive")
        self._manifest_threads = ThreadPoolExecutor(min(parallel, MANIFEST_THREADS), thread_name_prefix="manifests")
        self._parallel = parallel
        self._waiting: deque[_WaitingObjects] = deque()
        self._writing: set[asyncio.Task[None]] = set()
        self._retries = asyncio.Semaphore(RETRIES_AT_ONCE)
        self.unavailable_since: float | None = None
        self.unavailable_reason: str | None = None
        self.written = 0

    async def start(self) -> None:
        """Make sure that the archive can be written; one that is only unavailable is no error here."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._archive.check)
        except ArchiveUnavailable as error:
            log.warning("%s Evidence waits on its topic; detection goes on.", error)

    async def stop(self) -> None:
        """End the threads; what they have not begun is left to the next process."""
        for task in self._writing:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._manifest_threads.shutdown(wait=False, cancel_futures=True)

    async def write(self, objects: Sequence[PendingObject]) -> None:
        """Write all objects, with retries while the archive is unavailable.

        Raises
        ------
        ArchiveError
            The archive refuses for good: wrong credentials, no such bucket, no right to write.
        """
        if not objects:
            return
        size = self._archive.batch
        loop, written = asyncio.get_running_loop(), []
        for first in range(0, len(objects), size):
            written.append(loop.create_future())
            self._waiting.append(_WaitingObjects(objects[first : first + size], written[-1]))
        for _ in range(min(len(written), self._parallel - len(self._writing))):
            self._writing.add(asyncio.create_task(self._write_waiting()))
        await asyncio.gather(*written)

    async def call_for_manifest(self, function: Callable[[], Result]) -> Result:
        """Call a function of the archive in the threads for manifests, ahead of any evidence that waits.

        Raises
        ------
        ArchiveError
            The archive refuses for good.
        """
        return await self._with_retries(self._manifest_threads, function)

    async def _write_waiting(self) -> None:
        """Write what waits, batch after batch, until nothing does."""
        try:
            await asyncio.sleep(0)  # the other folds of the same poll join the batch
            while taken := self._take_batch():
                await self._write_taken(taken)
        finally:
            # Not by a callback, which comes later: what is given meanwhile would wait for a task that has ended.
            self._writing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _write_taken(self, taken: Sequence[_WaitingObjects]) -> None:
        """Write some objects in one batch, and say so to their folds."""
        error: Exception | None = None
        try:
            await self._write_batch([one for waiting in taken for one in waiting.objects])
        except asyncio.CancelledError:
            for waiting in taken:
                waiting.written.cancel()
            raise
        except Exception as found:
            error = found
        for waiting in taken:
            if waiting.written.done():  # its fold was cancelled, as its partition was revoked
                continue
            if error is not None:
                waiting.written.set_exception(error)
            else:
                waiting.written.set_result(None)

    def _take_batch(self) -> list[_WaitingObjects]:
        """Take the objects that have waited longest: a batch of them, or all there are."""
        taken: list[_WaitingObjects] = []
        count = 0
        while self._waiting and (not taken or count + len(self._waiting[0].objects) <= self._archive.batch):
            waiting = self._waiting.popleft()
            if not waiting.written.cancelled():
                taken.append(waiting)
                count += len(waiting.objects)
        return taken

    async def _write_batch(self, batch: Sequence[PendingObject]) -> None:
        await self._with_retries(self._threads, lambda: self._write_all(batch))
        self.written += len(batch)
        metrics.ARCHIVED.inc(len(batch))

    async def _with_retries(self, threads: ThreadPoolExecutor, function: Callable[[], Result]) -> Result:
        loop, backoff = asyncio.get_running_loop(), Backoff(LONGEST_PAUSE_S, FIRST_PAUSE_S)
        while True:
            try:
                result = await self._try(threads, function)
            except ArchiveUnavailable as error:
                self.unavailable_reason = error.message
                if self.unavailable_since is None:
                    self.unavailable_since = loop.time()
                    log.warning("%s Evidence waits; detection goes on.", error)
                await backoff.pause()
            else:
                if self.unavailable_since is not None:
                    log.info("The archive is available again, after %.0f s.", loop.time() - self.unavailable_since)
                    self.unavailable_since = self.unavailable_reason = None
                return result

    async def _try(self, threads: ThreadPoolExecutor, function: Callable[[], Result]) -> Result:
        """Call it; while the archive is unavailable only a few at a time, since thousands would use up a processor."""
        loop = asyncio.get_running_loop()
        if self.unavailable_since is not None:
            async with self._retries:
                if self.unavailable_since is not None:
                    return await loop.run_in_executor(threads, function)

        def unless_unavailable() -> Result:
            if (reason := self.unavailable_reason) is not None:
                raise ArchiveUnavailable(reason, "It is tried again.")
            return function()

        return await loop.run_in_executor(threads, unless_unavailable)

    def _write_all(self, batch: Sequence[PendingObject]) -> None:
        self._archive.write_all((key, make()) for key, make in batch)
