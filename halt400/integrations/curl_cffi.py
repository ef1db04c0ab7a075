"""Halt400 for curl_cffi (0.16 and newer): one line protects a ``Session`` or an ``AsyncSession``.

It asks the guard before each request and publishes each response, those that redirect too. What curl_cffi raises passes
through untouched, and a 400 is not sent again, also where ``raise_for_status`` and ``retry`` would.

The headers in the events are those that curl sent, in their order, with what it adds for the browser that it
impersonates: curl's own trace tells them.

Examples
--------
>>> def scrape() -> None:
...     with SyncGuard("kafka:9092", job_id="extract-099") as guard, curl_cffi.Session(impersonate="chrome") as session:
...         protect(session, guard)
...         session.get("https://api.shop.example/products")
"""

from collections.abc import Callable
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any, TypeVar

from curl_cffi.requests import AsyncSession, Response, Session

from halt400.guard import RequestGuard
from halt400.integrations.curl_cffi_sending import CurlSending, NotRetried
from halt400.integrations.curl_cffi_trace import trace as trace_session

__all__ = ["protect"]

Target = str | Callable[[str], str] | None
SomeSession = TypeVar("SomeSession", bound="Session[Any] | AsyncSession[Any]")


def protect(session: SomeSession, guard: RequestGuard, *, target: Target = None, trace: bool = True) -> SomeSession:
    """Ask the guard for each request of a session, and publish each response; return the session.

    A session that is protected keeps its guard.

    Parameters
    ----------
    guard
        The job's guard: for a ``Session`` a `SyncGuard`, for an ``AsyncSession`` a `Guard`.
    target
        Names the target: a string, or a function of the URL; default: host and port of the URL.
    trace
        Whether curl tells which headers it sends. Without, the events have those of session and request, and lack
        what curl adds.
    """
    if isinstance(getattr(session.request, "__self__", None), _Requests):
        return session
    if guard.client is None:
        guard.client, guard.client_version = "curl_cffi", version("curl_cffi")
    if trace:
        trace_session(session)
    kind = _AsyncRequests if isinstance(session, AsyncSession) else _SyncRequests
    requests: Any = kind(session, guard, target)
    session.request, session._request_once = requests.request, requests.once  # type: ignore[method-assign]
    return session


class _Attempts:
    """How often one call of ``session.request`` has sent its request so far."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


_attempts: ContextVar[_Attempts] = ContextVar("halt400_attempts")


class _Requests:
    """What stands in the place of a session's ``request``, and of what that calls for each attempt."""

    def __init__(self, session: Any, guard: RequestGuard, target: Target) -> None:
        self._session, self._guard, self._target = session, guard, target
        self._request, self._once = session.request, session._request_once

    def _attempt(self, options: dict[str, Any]) -> CurlSending:
        attempts = _attempts.get()
        attempts.made += 1
        return CurlSending(self._session, self._guard, self._target, options, attempts.made)


class _SyncRequests(_Requests):
    def request(self, *arguments: Any, **options: Any) -> Response:
        """Send a request, as often as the session's ``retry`` says."""
        before = _attempts.set(_Attempts())
        try:
            response: Response = self._request(*arguments, **options)
        except NotRetried as found:
            raise found.error from found.error.__cause__
        finally:
            _attempts.reset(before)
        return response

    def once(self, **options: Any) -> Response:
        """Send it one time."""
        with self._attempt(options) as sending:
            return sending.answered(self._once(**sending.options))


class _AsyncRequests(_Requests):
    async def request(self, *arguments: Any, **options: Any) -> Response:
        """Send a request, as often as the session's ``retry`` says."""
        before = _attempts.set(_Attempts())
        try:
            response: Response = await self._request(*arguments, **options)
        except NotRetried as found:
            raise found.error from found.error.__cause__
        finally:
            _attempts.reset(before)
        return response

    async def once(self, **options: Any) -> Response:
        """Send it one time."""
        with self._attempt(options) as sending:
            return sending.answered(await self._once(**sending.options))
