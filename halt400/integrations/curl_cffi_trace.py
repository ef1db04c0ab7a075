"""The requests that curl has sent, head by head, from its own trace.

curl writes its trace to a stream that lies in memory, without calling Python: what it wrote is looked at only where a
head is needed. Where the C library has no such streams, as on Windows, curl calls Python for each line.
"""

import ctypes
import logging
import re
from collections.abc import ItemsView
from contextvars import ContextVar, Token
from functools import cache
from typing import Any

from cffi import FFI
from curl_cffi import Curl, CurlOpt

__all__ = ["CalledTrace", "SentHead", "Trace", "WrittenTrace", "borrow_trace", "give_back", "is_traced", "trace"]

log = logging.getLogger(__name__)

_HEADER_OUT = 2
"""CURLINFO_HEADER_OUT: what curl sends of a request's head; for HTTP/2 and HTTP/3, too, in the form of HTTP/1."""
_REQUEST_LINE = re.compile(rb"([A-Z]+) \S+ HTTP/[0-9.]+\r\n")
_WRITTEN_HEAD = re.compile(rb"^> ([A-Z]+ \S+ HTTP/[0-9.]+\r\n(?:[^\r\n]+\r\n)*)\r\n", re.MULTILINE)
"""A head as curl writes it to a stream: one mark before each part that it sends at once (`Curl_debug`, lib/curl_trc.c
of https://github.com/curl/curl)."""
_MARK = b"> "
_WRITTEN_BYTES = 64 * 1024
"""As much of the trace of one attempt is kept: the heads of responses and words on the connection are in it, too."""


class SentHead:
    """The head of a request, as curl sent it; taken apart only where it is needed."""

    __slots__ = ("_head", "_is_whole")

    def __init__(self, head: bytes, *, is_whole: bool = True) -> None:
        self._head, self._is_whole = head, is_whole

    @property
    def method(self) -> str:
        """The request's method."""
        return self._head.partition(b" ")[0].decode("latin-1")

    def headers(self) -> list[tuple[str, str]] | None:
        """Return names and values, in their order; ``None`` where the trace does not tell them for certain."""
        if not self._is_whole:
            return None
        _, *fields = self._head.decode("latin-1").split("\r\n")
        return [(name, value.strip()) for name, colon, value in (field.partition(":") for field in fields) if colon]


class WrittenTrace:
    """What curl writes of one attempt: several requests where it follows redirects. See `borrow_trace`.

    Attributes
    ----------
    options
        What has curl write it.

    Raises
    ------
    OSError
        The C library opens no stream in memory.
    """

    __slots__ = ("_file", "_memory", "options")

    def __init__(self) -> None:
        self._memory = ctypes.create_string_buffer(_WRITTEN_BYTES)
        # curl may write to it after curl_cffi has let go of a request, so neither memory nor stream is ever freed.
        # There are as many as there were requests at once.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._memory))
        self._file = _streams().fmemopen(self._memory, _WRITTEN_BYTES, b"w")
        if not self._file:
            raise OSError("fmemopen failed")
        self.options = {CurlOpt.VERBOSE: 1, CurlOpt.STDERR: FFI().cast("void *", self._file)}

    def take(self) -> list[SentHead]:
        """Return the heads of the requests in the order in which they were sent, without those to a proxy itself.

        What a head holds that looks like the mark of a second part is not told from one: it has no headers then.
        """
        streams = _streams()
        streams.fflush(self._file)
        heads = _WRITTEN_HEAD.findall(ctypes.string_at(self._memory, streams.ftell(self._file)))
        self.forget()
        return [SentHead(head, is_whole=_MARK not in head) for head in heads if not head.startswith(b"CONNECT ")]

    def forget(self) -> None:
        """Begin anew."""
        _streams().rewind(self._file)


class CalledTrace:
    """What curl tells Python of one attempt, line by line, as `WrittenTrace` has it."""

    __slots__ = ("_parts", "options")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        curl = Curl()
        curl.setopt(CurlOpt.DEBUGFUNCTION, self._see)
        handle = curl._debug_handle
        # curl_cffi may free what curl calls back with before curl is done with it, which ends the process: this is
        # never freed. There are as many as there were requests at once.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))
        curl.close()
        self.options = {CurlOpt.VERBOSE: 1, CurlOpt.DEBUGFUNCTION: self._see, CurlOpt.DEBUGDATA: handle}

    def _see(self, kind: int, data: bytes) -> None:
        if kind == _HEADER_OUT:
            self._parts.append(data)

    def take(self) -> list[SentHead]:
        """Return the heads of the requests in the order in which they were sent, without those to a proxy itself."""
        parts, self._parts = self._parts, []
        return [SentHead(head) for head in _joined(parts) if not head.startswith(b"CONNECT ")]

    def forget(self) -> None:
        """Begin anew."""
        self._parts = []


Trace = WrittenTrace | CalledTrace

_free: list[Trace] = []
_current: ContextVar[Trace | None] = ContextVar("halt400_trace", default=None)


@cache
def _streams() -> Any:
    """Return the C library's streams in memory, the same that curl writes to.

    Raises
    ------
    OSError
        It has none.
    """
    try:
        # Its calls take no time: nobody needs the interpreter meanwhile.
        library = ctypes.PyDLL(None)
        library.fmemopen.restype, library.ftell.restype = ctypes.c_void_p, ctypes.c_long
        library.fmemopen.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
        for function in (library.fflush, library.ftell, library.rewind):
            function.argtypes = [ctypes.c_void_p]
    except (AttributeError, TypeError) as error:
        raise OSError("the C library has no fmemopen") from error
    return library


def _made() -> Trace:
    try:
        return WrittenTrace()
    except OSError:
        return CalledTrace()


def borrow_trace() -> tuple[Trace, Token[Trace | None]]:
    """Trace the requests whose options are set from now on, in this thread or task, until it is given back."""
    try:
        trace = _free.pop()
    except IndexError:
        trace = _made()
    return trace, _current.set(trace)


def give_back(trace: Trace, before: "Token[Trace | None]") -> None:
    """Trace no more."""
    _current.reset(before)
    trace.forget()
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
        return super().items() if trace is None else {**self, **trace.options}.items()


def trace(session: Any) -> None:
    """Have curl tell what it sends for a session, unless its user wants to see that printed."""
    if session.debug or is_traced(session):
        return
    try:
        _free.append(_made())
    except AttributeError:
        log.warning("This curl_cffi does not tell which headers it sends; events lack what curl adds.")
        return
    session.curl_options = TracedOptions(session.curl_options)


def is_traced(session: Any) -> bool:
    """Whether curl tells what it sends for a session."""
    return isinstance(session.curl_options, TracedOptions)
