"""Bodies seen while they pass through httpx, so that nobody waits for them and nothing is read twice."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from halt400.guard import BodyCapture

__all__ = ["CapturedStream"]


class CapturedStream(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A stream whose chunks are seen as they pass.

    Parameters
    ----------
    capture
        Keeps the beginning of what passes; ``None`` for nothing.
    ended
        Called once, at the end or when it is closed, with whether that is a finalizer's call: nobody closed it.
    """

    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        capture: BodyCapture | None,
        ended: Callable[[bool], None] | None = None,
    ) -> None:
        self._stream = stream
        self._capture = capture
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        for chunk in self._stream:
            if self._capture is not None:
                self._capture.add(chunk)
            yield chunk
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for chunk in self._stream:
            if self._capture is not None:
                self._capture.add(chunk)
            yield chunk
        self._end()

    def close(self) -> None:
        """Close the stream within."""
        assert isinstance(self._stream, httpx.SyncByteStream)
        try:
            self._stream.close()
        finally:
            self._end()

    async def aclose(self) -> None:
        """Close the stream within."""
        assert isinstance(self._stream, httpx.AsyncByteStream)
        try:
            await self._stream.aclose()
        finally:
            self._end()

    def __del__(self) -> None:
        self._end(from_finalizer=True)

    def _end(self, *, from_finalizer: bool = False) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(from_finalizer)
