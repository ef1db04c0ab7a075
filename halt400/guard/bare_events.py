"""Events that carry neither headers nor bodies, as those of nearly all responses: encoded at once.

A crawl's events differ in id, time, target, URL, sizes and duration only. What else is in them is encoded once for all
that are alike, by the code that encodes every other event, and kept as a form to be filled in.
"""

import random
from binascii import hexlify
from os import urandom
from typing import Any

import msgspec

from halt400.events import response_event

__all__ = ["NAMES", "BareEvents"]

NAMES = (
    "method",
    "status",
    "http_version",
    "job_id",
    "run_id",
    "release",
    "worker",
    "region",
    "attempt",
    "proxy_id",
    "proxy_pool",
    "client",
    "client_version",
)
"""What else `halt400.response_event` is given, in the order in which `BareEvents.encoded` takes the values."""
MOST_FORMS = 4_096
"""Forms that are kept; where there are more, all are made anew."""


class BareEvents:
    """The forms of one guard's events, by what all of a form have alike."""

    def __init__(self) -> None:
        self._forms: dict[tuple[object, ...], bytes] = {}

    def encoded(
        self,
        names: tuple[Any, ...],
        time_ms: int,
        target: str,
        url: str,
        request_size: int | None,
        response_size: int | None,
        duration_ms: float,
    ) -> bytes:
        """Return the event of a response that is no 400.

        Parameters
        ----------
        names
            The values of `NAMES`.
        target, url
            ASCII, not empty; the target of at most 255 characters, the URL without user and password.
        request_size, response_size
            Of the bodies in bytes; None where they are not known.

        Raises
        ------
        InvalidEvent
            One of the names makes no event.
        """
        key = (names, request_size is None, response_size is None)
        form = self._forms.get(key)
        if form is None:
            form = _form(dict(zip(NAMES, names, strict=True)), request_size is not None, response_size is not None)
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
            self._forms[key] = form
        event_id, name, address = hexlify(urandom(16)), _encode(target), _encode(url)
        if request_size is not None:
            if response_size is not None:
                return form % (event_id, time_ms, name, address, request_size, response_size, duration_ms)
            return form % (event_id, time_ms, name, address, request_size, duration_ms)
        if response_size is not None:
            return form % (event_id, time_ms, name, address, response_size, duration_ms)
        return form % (event_id, time_ms, name, address, duration_ms)


def _form(names: dict[str, Any], has_request_size: bool, has_response_size: bool) -> bytes:
    """Encode an event, with a field for each value that varies; nothing else in it is equal to one of these values."""
    event_id, target, url = (hexlify(urandom(16)) for _ in range(3))
    time_ms, request_size, response_size, duration_ms = random.SystemRandom().sample(range(10**14, 10**15), 4)
    event = response_event(
        event_id=event_id.decode(),
        time_ms=time_ms,
        target=target.decode(),
        url=url.decode(),
        duration_ms=float(duration_ms),
        **names,
    )
    event.request.body_size = request_size if has_request_size else None
    event.response.body_size = response_size if has_response_size else None
    rest, form = _encode(event), b""
    for value, field in (
        (event_id, b"%b"),
        (b"%d" % time_ms, b"%d"),
        (b'"%b"' % target, b"%b"),
        (b'"%b"' % url, b"%b"),
        (b"%d" % request_size, b"%d"),
        (b"%d" % response_size, b"%d"),
        (_encode(float(duration_ms)), b"%.3f"),
    ):
        before, found, after = rest.partition(value)
        if found:
            form, rest = form + before.replace(b"%", b"%%") + field, after
    return form + rest.replace(b"%", b"%%")


_encode = msgspec.json.Encoder().encode
