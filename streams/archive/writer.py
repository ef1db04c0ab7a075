"""Writes evidence with many threads, and retries for as long as the archive is unavailable."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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


class ArchiveWriter:
    """Writes the objects of one fold in parallel; `write` returns when all of them are durable.

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
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._manifest_threads.shutdown(wait=False, cancel_futures=True)

    async def write(self, objects: Sequence[PendingObject]) -> None:
        """Write all objects, with retries while the archive is unavailable.

        Raises
        ------
        ArchiveError
            The archive refuses for good: wrong credentials, no such bucket, no right to write.
        """
        size = self._archive.batch
        await asyncio.gather(
            *(self._write_batch(objects[first : first + size]) for first in range(0, len(objects), size))
        )

    async def call_for_manifest(self, function: Callable[[], Result]) -> Result:
        """Call a function of the archive in the threads for manifests, ahead of any evidence that waits.

        Raises
        ------
        ArchiveError
            The archive refuses for good.
        """
        return await self._with_retries(self._manifest_threads, function)

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
