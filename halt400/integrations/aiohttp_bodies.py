"""Bodies seen while they pass through aiohttp, so that nobody waits for them and nothing is read twice."""

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from aiohttp import ClientResponse, StreamReader
from aiohttp.payload import Payload

from halt400.guard import BodyCapture

__all__ = ["received_body", "see_payload"]

ENOUGH_BYTES = 64 * 1024
"""As much of a body waits in memory until it is read; for more aiohttp does not ask the server."""


Ended = Callable[[BodyCapture, bool], None]
"""Takes a body, and whether a finalizer found that nobody had read or closed it."""


class _Received:
    """What was received of a body so far, whether the scraper reads it or not."""

    def __init__(self, ended: Ended) -> None:
        self.capture = BodyCapture()
        self.there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = ended

    def add(self, data: bytes) -> None:
        self.capture.add(data)
        if self.capture.size >= ENOUGH_BYTES:
            self._is_there()

    def end(self, *, from_finalizer: bool = False) -> None:
        self._is_there()
        self._ended(self.capture, from_finalizer)

    def _is_there(self) -> None:
        if not self.there.done():
            self.there.set_result(None)


_watched: dict[StreamReader, _Received] = {}


def received_body(response: ClientResponse, ended: Ended) -> asyncio.Future[None]:
    """See what is received of a response's body, from its beginning on, also where nobody reads it.

    Parameters
    ----------
    ended
        Called once: when all of it was received, it broke off, or the response was closed.

    Returns
    -------
    asyncio.Future
        Is done when the body is there, or so much of it that the scraper has to read before more comes.
    """
    content, received = response.content, _Received(ended)
    for data in getattr(content, "_buffer", ()):
        received.add(data)
    if type(content) is not StreamReader or content.is_eof() or content.exception() is not None:
        received.end()
        return received.there
    # The parser holds this very reader, which has no place for an attribute: hence another class, and a table.
    content.__class__ = _WatchedReader
    _watched[content] = received
    if response.connection is not None:
        # Its finalizer gives the connection back, and tells the reader nothing.
        response.connection.add_callback(partial(_end, content, from_finalizer=True))
    return received.there


def _end(content: StreamReader, *, from_finalizer: bool = False) -> None:
    received = _watched.pop(content, None)
    if received is not None:
        received.end(from_finalizer=from_finalizer)


class _WatchedReader(StreamReader):
    """The reader of a 400's body, which tells what the parser feeds it."""

    __slots__ = ()

    def feed_data(self, data: bytes, *rest: Any, **more: Any) -> Any:
        received = _watched.get(self)
        if received is not None:
            received.add(data)
        return super().feed_data(data, *rest, **more)

    def feed_eof(self) -> None:
        super().feed_eof()
        _end(self)

    def set_exception(self, *arguments: Any, **more: Any) -> None:
        super().set_exception(*arguments, **more)
        _end(self)


def see_payload(body: Payload, capture: BodyCapture) -> None:
    """Have `capture` see a request's body when it is sent."""
    if not isinstance(body, _SeenPayload):
        body.__class__ = _seen_class(type(body))
    body._halt400_capture = capture  # type: ignore[attr-defined]


class _SeenPayload(Payload):
    """A payload that is seen while it is written."""

    _halt400_capture: BodyCapture

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        self._halt400_capture.clear()
        await super().write_with_length(_SeenWriter(writer, self._halt400_capture), content_length)  # type: ignore[arg-type]


class _SeenWriter:
    """aiohttp's stream writer, with what is written of a body told to a capture."""

    def __init__(self, writer: Any, capture: BodyCapture) -> None:
        self._writer, self._capture = writer, capture

    async def write(self, chunk: Any, *rest: Any, **more: Any) -> None:
        """Write the next part."""
        self._capture.add(chunk if isinstance(chunk, bytes) else bytes(chunk))
        await self._writer.write(chunk, *rest, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


@lru_cache(maxsize=64)
def _seen_class(kind: type[Payload]) -> type[Payload]:
    return type(f"Seen{kind.__name__}", (_SeenPayload, kind), {})
