"""urllib3's retries: each response that it retries is told of, each attempt is asked for, and a 400 is not retried."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from urllib3.util import Retry

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

__all__ = ["responses_told_to", "watched"]


class RetriedSending(Protocol):
    """Who is told what becomes of a request that is sent several times."""

    def retried(self, response: "BaseHTTPResponse") -> None:
        """Take in a response that urllib3 does not hand out."""

    def begin(self) -> None:
        """Say whether the request may be sent again; raise where it may not."""


_current = threading.local()


@contextmanager
def responses_told_to(sending: RetriedSending) -> Iterator[None]:
    """Tell `sending` of the retries in this thread."""
    before = getattr(_current, "sending", None)
    _current.sending = sending
    try:
        yield
    finally:
        _current.sending = before


def watched(retry: Retry) -> Retry:
    """Return a `Retry` that does as `retry` does, and tells of it within `responses_told_to`."""
    if isinstance(retry, _WatchedRetry):
        return retry
    found = copy.copy(retry)
    found.__class__ = _watched_class(type(retry))  # type: ignore[arg-type]
    return found


class _WatchedRetry(Retry):
    """urllib3 asks `is_retry` of each response, then calls `increment` with it, then `sleep` before it sends again."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        if status_code == 400 and getattr(_current, "sending", None) is not None:
            return False
        return super().is_retry(method, status_code, has_retry_after)

    def increment(  # type: ignore[override]
        self, method: str | None = None, url: str | None = None, response: Any = None, *rest: Any, **more: Any
    ) -> Retry:
        sending: RetriedSending | None = getattr(_current, "sending", None)
        if sending is not None and response is not None:
            sending.retried(response)
        return super().increment(method, url, response, *rest, **more)

    def sleep(self, response: "BaseHTTPResponse | None" = None) -> None:
        super().sleep(response)
        sending: RetriedSending | None = getattr(_current, "sending", None)
        if sending is not None:
            sending.begin()


@lru_cache(maxsize=64)
def _watched_class(kind: type[Retry]) -> type[Retry]:
    return type(f"Watched{kind.__name__}", (_WatchedRetry, kind), {})
