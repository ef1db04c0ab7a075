"""Bodies seen while they pass through curl_cffi, so that nobody waits for them and nothing is read twice."""

import asyncio
import queue
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import Any

from curl_cffi.requests import Response

from halt400.guard import BodyCapture

__all__ = ["seen_content", "watch"]


Ended = Callable[[BodyCapture, bool], None]
"""Takes a body, and whether a finalizer found that nobody had read or closed it."""


def seen_content(content: Any, capture: BodyCapture) -> Any:
    """Return a request's body that streams, as one that `capture` sees."""
    if isinstance(content, AsyncIterable):
        return _seen_async(content, capture)
    return _CurlSeenFile(content, capture) if hasattr(content, "read") else _seen(content, capture)


def _seen(content: Any, capture: BodyCapture) -> Iterator[bytes]:
    for chunk in content:
        capture.add(chunk)
        yield chunk


async def _seen_async(content: AsyncIterable[bytes], capture: BodyCapture) -> AsyncIterator[bytes]:
    async for chunk in content:
        capture.add(chunk)
        yield chunk


class _CurlSeenFile:
    def __init__(self, file: Any, capture: BodyCapture) -> None:
        self._file, self._capture = file, capture

    def read(self, size: int = -1) -> Any:
        """Read as the file does."""
        data = self._file.read(size)
        if data:
            self._capture.add(data if isinstance(data, bytes) else bytes(data))
        return data

    def seek(self, *where: int) -> Any:
        """Begin anew, as curl does before it sends a body again."""
        self._capture.clear()
        return self._file.seek(*where)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def watch(response: Response, ended: Ended) -> None:
    """Have `ended` called once with a streamed response's body: when it was read, broke off, or was closed."""
    # Its class is replaced, not the object, so that it stays one of the session's own responses.
    response.__class__ = _watched_class(type(response))  # type: ignore[arg-type]
    response._halt400 = _CurlReceived(response.queue, ended)  # type: ignore[attr-defined]


class _CurlReceived:
    def __init__(self, chunks: Any, ended: Ended) -> None:
        self.capture = BodyCapture()
        self._chunks = chunks
        self._ended: Ended | None = ended

    def end(self, *, from_finalizer: bool = False) -> None:
        ended, self._ended = self._ended, None
        if ended is None:
            return
        # What curl has received and nobody has read is evidence all the same.
        while (chunk := self._next()) is not None:
            if isinstance(chunk, bytes):
                self.capture.add(chunk)
        ended(self.capture, from_finalizer)

    def _next(self) -> Any:
        try:
            return self._chunks.get_nowait()
        except (queue.Empty, asyncio.QueueEmpty):
            return None


class _WatchedCurlResponse(Response):
    """The streamed response of a 400, which tells what is read of its body."""

    _halt400: _CurlReceived

    def iter_content(self, *arguments: Any, **more: Any) -> Iterator[bytes]:
        try:
            for chunk in super().iter_content(*arguments, **more):  # type: ignore[no-untyped-call]
                self._halt400.capture.add(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException:
            self._halt400.end()
            raise
        self._halt400.end()

    async def aiter_content(self, *arguments: Any, **more: Any) -> AsyncIterator[bytes]:
        try:
            async for chunk in super().aiter_content(*arguments, **more):  # type: ignore[no-untyped-call]
                self._halt400.capture.add(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException:
            self._halt400.end()
            raise
        self._halt400.end()

    def close(self) -> None:
        try:
            super().close()  # type: ignore[no-untyped-call]
        finally:
            self._halt400.end()

    async def aclose(self) -> None:
        try:
            await super().aclose()  # type: ignore[no-untyped-call]
        finally:
            self._halt400.end()

    def __del__(self) -> None:
        self._halt400.end(from_finalizer=True)


@lru_cache(maxsize=64)
def _watched_class(kind: type[Response]) -> type[Response]:
    return type(f"Watched{kind.__name__}", (_WatchedCurlResponse, kind), {})
