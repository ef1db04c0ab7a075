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

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any, TypeVar

from curl_cffi.requests import AsyncSession, RequestsError, Response, Session

from halt400.guard import RequestGuard
from halt400.integrations.curl_cffi_sending import CurlSending
from halt400.integrations.curl_cffi_trace import borrowed_trace, is_traced
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


class _NotRetried(BaseException):
    """Carries the error of a 400 past curl_cffi's retries."""

    def __init__(self, error: RequestsError) -> None:
        self.error = error


class _Requests:
    """What stands in the place of a session's ``request``, and of what that calls for each attempt."""

    def __init__(self, session: Any, guard: RequestGuard, target: Target) -> None:
        self._session, self._guard, self._target = session, guard, target
        self._request, self._once = session.request, session._request_once

    @contextmanager
    def _one_request(self) -> Iterator[None]:
        before = _attempts.set(_Attempts())
        try:
            yield
        except _NotRetried as found:
            raise found.error from found.error.__cause__
        finally:
            _attempts.reset(before)

    @contextmanager
    def _one_attempt(self, options: dict[str, Any]) -> Iterator[CurlSending]:
        attempts = _attempts.get()
        attempts.made += 1
        sending = CurlSending(self._session, self._guard, self._target, options, attempts.made)
        with borrowed_trace() if is_traced(self._session) else nullcontext() as sending.trace:
            try:
                yield sending
            except RequestsError as error:
                if sending.failed(error):
                    raise _NotRetried(error) from error
                raise


class _SyncRequests(_Requests):
    def request(self, *arguments: Any, **options: Any) -> Response:
        """Send a request, as often as the session's ``retry`` says."""
        with self._one_request():
            response: Response = self._request(*arguments, **options)
            return response

    def once(self, **options: Any) -> Response:
        """Send it one time."""
        with self._one_attempt(options) as sending:
            return sending.answered(self._once(**sending.options))


class _AsyncRequests(_Requests):
    async def request(self, *arguments: Any, **options: Any) -> Response:
        """Send a request, as often as the session's ``retry`` says."""
        with self._one_request():
            response: Response = await self._request(*arguments, **options)
            return response

    async def once(self, **options: Any) -> Response:
        """Send it one time."""
        with self._one_attempt(options) as sending:
            return sending.answered(await self._once(**sending.options))
