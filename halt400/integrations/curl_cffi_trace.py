"""The requests that curl has sent, head by head, from its own trace."""

import ctypes
import logging
import re
from collections.abc import ItemsView
from contextvars import ContextVar, Token
from typing import Any

from curl_cffi import Curl, CurlOpt

__all__ = ["SentHead", "Trace", "borrow_trace", "give_back", "is_traced", "trace"]

log = logging.getLogger(__name__)

_HEADER_OUT = 2
"""CURLINFO_HEADER_OUT: what curl sends of a request's head; for HTTP/2 and HTTP/3, too, in the form of HTTP/1."""
_REQUEST_LINE = re.compile(rb"([A-Z]+) \S+ HTTP/[0-9.]+\r\n")


class SentHead:
    """The head of a request, as curl sent it; taken apart only where it is needed."""

    __slots__ = ("_head",)

    def __init__(self, head: bytes) -> None:
        self._head = head

    @property
    def method(self) -> str:
        """The request's method."""
        return self._head.partition(b" ")[0].decode("latin-1")

    def headers(self) -> list[tuple[str, str]]:
        """Return names and values, in their order."""
        _, *fields = self._head.decode("latin-1").split("\r\n")
        return [(name, value.strip()) for name, colon, value in (field.partition(":") for field in fields) if colon]


class Trace:
    """What curl tells of one attempt: several requests where it follows redirects. See `borrow_trace`."""

    __slots__ = ("_parts", "handle")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        curl = Curl()
        curl.setopt(CurlOpt.DEBUGFUNCTION, self._see)
        self.handle = curl._debug_handle
        # curl_cffi may free what curl calls back with before curl is done with it, which ends the process: this is
        # never freed. There are as many as there were requests at once.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.handle))
        curl.close()

    def _see(self, kind: int, data: bytes) -> None:
        if kind == _HEADER_OUT:
            self._parts.append(data)

    def take(self) -> list[SentHead]:
        """Return the heads of the requests in the order in which they were sent, without those to a proxy itself."""
        parts, self._parts = self._parts, []
        return [SentHead(head) for head in _joined(parts) if not head.startswith(b"CONNECT ")]


_free: list[Trace] = []
_current: ContextVar[Trace | None] = ContextVar("halt400_trace", default=None)


def borrow_trace() -> tuple[Trace, Token[Trace | None]]:
    """Trace the requests whose options are set from now on, in this thread or task, until it is given back."""
    try:
        trace = _free.pop()
    except IndexError:
        trace = Trace()
    return trace, _current.set(trace)


def give_back(trace: Trace, before: "Token[Trace | None]") -> None:
    """Trace no more."""
    _current.reset(before)
    trace.take()
    _free.append(trace)


def _joined(parts: list[bytes]) -> list[bytes]:
    """Put together what was sent in several parts: only the first of a head has a request line."""
    heads: list[bytes] = []
    for part in parts:
        if heads and not _REQUEST_LINE.match(part):
            heads[-1] += part
        else:
            heads.append(part)
    return heads


class TracedOptions(dict[CurlOpt, Any]):
    """A session's ``curl_options``, with the trace of the request for which curl_cffi looks at them."""

    def __bool__(self) -> bool:
        return True

    def items(self) -> ItemsView[CurlOpt, Any]:  # type: ignore[override]
        """Return the options, and the trace's."""
        trace = _current.get()
        if trace is None:
            return super().items()
        return {
            **self,
            CurlOpt.VERBOSE: 1,
            CurlOpt.DEBUGFUNCTION: trace._see,
            CurlOpt.DEBUGDATA: trace.handle,
        }.items()


def trace(session: Any) -> None:
    """Have curl tell what it sends for a session, unless its user wants to see that printed."""
    if session.debug or is_traced(session):
        return
    try:
        _free.append(Trace())
    except AttributeError:
        log.warning("This curl_cffi does not tell which headers it sends; events lack what curl adds.")
        return
    session.curl_options = TracedOptions(session.curl_options)


def is_traced(session: Any) -> bool:
    """Whether curl tells what it sends for a session."""
    return isinstance(session.curl_options, TracedOptions)
