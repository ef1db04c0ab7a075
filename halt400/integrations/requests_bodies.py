"""Bodies seen while they pass through requests and urllib3, so that nobody waits for them and nothing is read twice."""

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from urllib3.response import HTTPResponse

from halt400.guard import BodyCapture

__all__ = ["BodyWatch", "known_body", "seen_body", "watch"]


def known_body(body: Any) -> bytes | BodyCapture | None:
    """Return a request's body where all of it is there; for one that streams, what is to see it."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    try:
        return bytes(memoryview(body))
    except TypeError:
        return BodyCapture()


def seen_body(body: Any, capture: BodyCapture) -> Any:
    """Return a request's body that streams, as one that `capture` sees."""
    if isinstance(body, io.TextIOBase):
        # urllib3 encodes what it reads of text files, by this very type.
        return body
    return _SeenFile(body, capture) if hasattr(body, "read") else _SeenIterable(body, capture)


class _SeenIterable:
    def __init__(self, body: Any, capture: BodyCapture) -> None:
        self._body, self._capture = body, capture

    def __iter__(self) -> Iterator[Any]:
        self._capture.clear()
        for chunk in self._body:
            self._capture.add(chunk.encode() if isinstance(chunk, str) else chunk)
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class _SeenFile(_SeenIterable):
    def read(self, size: int = -1) -> Any:
        """Read as the file does."""
        data = self._body.read(size)
        self._capture.add(data)
        return data

    def seek(self, *where: int) -> Any:
        """Begin anew, as urllib3 and requests do before they send a body again."""
        self._capture.clear()
        return self._body.seek(*where)


class BodyWatch:
    """The body of one response while it is read; `ended` is called once, when it was read, broke off or was closed.

    Attributes
    ----------
    capture
        What was read so far.
    is_encoded
        Whether some of it was read with its content coding.
    is_abandoned
        Whether nobody read it to its end or closed it, which a finalizer found.
    """

    __slots__ = ("_ended", "capture", "is_abandoned", "is_encoded")

    def __init__(self, ended: Callable[["BodyWatch"], None]) -> None:
        self.capture = BodyCapture()
        self.is_encoded = self.is_abandoned = False
        self._ended: Callable[[BodyWatch], None] | None = ended

    def add(self, data: bytes | None, *, is_encoded: bool) -> None:
        """Take in what was read."""
        if data:
            self.is_encoded |= is_encoded
            self.capture.add(data)

    def end(self) -> None:
        """Say that there is no more of it."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)


def watch(response: Any, ended: Callable[[BodyWatch], None]) -> bool:
    """Have `ended` called when the response's body was read, broke off, or was closed; return whether that can be."""
    if not isinstance(response, HTTPResponse) or isinstance(response, _WatchedResponse):
        return False
    # Its class is replaced, not the object: whoever looks at it finds a response of urllib3, at no cost for the others.
    response.__class__ = _watched_class(type(response))
    response._halt400 = BodyWatch(ended)  # type: ignore[attr-defined]
    return True


class _WatchedResponse(HTTPResponse):
    """The response of a 400, which tells what is read of its body."""

    _halt400: BodyWatch

    def read(self, amt: int | None = None, decode_content: bool | None = None, *rest: Any, **more: Any) -> bytes:
        return self._seen(
            amt, decode_content, lambda: super(_WatchedResponse, self).read(amt, decode_content, *rest, **more)
        )

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        return self._seen(amt, decode_content, lambda: super(_WatchedResponse, self).read1(amt, decode_content))

    def read_chunked(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:  # type: ignore[override]
        chunks = super().read_chunked(amt, decode_content)
        while True:
            chunk = self._seen(1, decode_content, lambda: next(chunks, b""))
            if not chunk:
                return
            yield chunk

    def stream(self, *arguments: Any, **more: Any) -> Iterator[bytes]:  # type: ignore[override]
        yield from super().stream(*arguments, **more)
        self._halt400.end()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._halt400.end()

    def __del__(self) -> None:
        self._halt400.is_abandoned = True
        self._halt400.end()
        super().__del__()

    def _seen(self, amt: int | None, decode_content: bool | None, read: Callable[[], bytes]) -> bytes:
        body = self._halt400
        try:
            data = read()
        except BaseException:
            body.end()
            raise
        decoded = self.decode_content if decode_content is None else decode_content
        body.add(data, is_encoded=not decoded)
        if amt is None or amt < 0 or (amt and not data):
            body.end()
        return data


@lru_cache(maxsize=64)
def _watched_class(kind: type[HTTPResponse]) -> type[HTTPResponse]:
    return _WatchedResponse if kind is HTTPResponse else type(f"Watched{kind.__name__}", (_WatchedResponse, kind), {})
