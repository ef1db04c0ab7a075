"""Bodies seen while they pass through httpx, so that nobody waits for them and nothing is read twice."""

from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256

import httpx

from halt400.events import BODY_LIMIT_BYTES

__all__ = ["Capture", "CapturedStream"]


class Capture:
    """The beginning of a body that passes, with the size and digest of all of it."""

    __slots__ = ("body", "digest", "size")

    def __init__(self) -> None:
        self.body = bytearray()
        self.size = 0
        self.digest = sha256()

    @property
    def is_cut(self) -> bool:
        """Whether `body` is not all of it."""
        return self.size > len(self.body)

    def add(self, chunk: bytes) -> None:
        """Take in the next part."""
        self.size += len(chunk)
        self.digest.update(chunk)
        room = BODY_LIMIT_BYTES - len(self.body)
        if room > 0:
            self.body += chunk[:room]


class CapturedStream(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A stream whose chunks are seen as they pass; `ended` is called once, at the end or when it is closed.

    Without a `capture` nothing is kept.
    """

    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        capture: Capture | None,
        ended: Callable[[], None] | None = None,
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

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()
