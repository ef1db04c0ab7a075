"""Halt400 for requests: one line protects a session, and nothing else in the scraper changes.

Around every adapter of the session stands one that asks the guard before a request is sent and publishes its responses:
those that urllib3 retries and those that redirect, each. What requests raises passes through untouched, and a 400 is
not sent again, also where a ``Retry`` lists it.

Examples
--------
>>> def scrape() -> None:
...     with SyncGuard("kafka:9092", job_id="extract-099") as guard, requests.Session() as session:
...         protect(session, guard)
...         session.get("https://api.shop.example/products")
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import select_proxy

from halt400.guard import BodyCapture, GuardedRequest, RequestGuard
from halt400.guard.content_coding import without_content_coding
from halt400.integrations.requests_bodies import BodyWatch, known_body, seen_body, watch
from halt400.integrations.requests_retries import responses_told_to, watched
from halt400.proxies import proxy_id_of

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

__all__ = ["Halt400Adapter", "protect"]

Target = str | Callable[[requests.PreparedRequest], str] | None
SomeSession = TypeVar("SomeSession", bound=requests.Session)

_ATTEMPT = "_halt400_attempt"
_BAD_REQUEST = "_halt400_bad_request"


def protect(session: SomeSession, guard: RequestGuard, *, target: Target = None) -> SomeSession:
    """Ask the guard for each HTTP request of a session, and publish each response; return the session.

    It holds for the adapters that are mounted and for those that will be. A session that is protected keeps its guard.

    Parameters
    ----------
    guard
        The job's guard: a `SyncGuard`, or a `RequestGuard` on a `SyncPublisher` and a `SyncGate`.
    target
        Names the target: a string, or a function of the prepared request; default: host and port of its URL.
    """
    plain = session.get_adapter
    protected: dict[BaseAdapter, Halt400Adapter] = {}

    def get_adapter(url: str) -> BaseAdapter:
        adapter = plain(url)
        if isinstance(adapter, Halt400Adapter) or not url.lower().startswith("http"):
            return adapter
        found = protected.get(adapter)
        if found is None:
            found = protected[adapter] = Halt400Adapter(guard, adapter, target=target)
        return found

    session.get_adapter = get_adapter  # type: ignore[method-assign]
    return session


class Halt400Adapter(BaseAdapter):
    """Ask, send, publish; to be mounted where `protect` is too much.

    Parameters
    ----------
    guard, target
        As for `protect`.
    wrapped
        The adapter that sends; default: ``requests.adapters.HTTPAdapter()``.
    """

    def __init__(self, guard: RequestGuard, wrapped: BaseAdapter | None = None, *, target: Target = None) -> None:
        super().__init__()
        if guard.client is None:
            guard.client, guard.client_version = "requests", version("requests")
        self.wrapped = wrapped if wrapped is not None else HTTPAdapter()
        self._guard, self._target = guard, target

    def __getattr__(self, name: str) -> Any:
        # What is asked of an adapter besides sending, such as its pool manager.
        if "wrapped" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, where the guard admits it.

        Raises
        ------
        JobQuarantined
            The gate refuses it, or it was answered 400 before.
        """
        wrapped = self.wrapped
        if isinstance(wrapped, HTTPAdapter):
            wrapped.max_retries = watched(wrapped.max_retries)
        sending = _RequestsSending(self._guard, request, self._target, proxies)
        sending.begin()
        body = request.body
        request.body = sending.body_to_send()
        try:
            with responses_told_to(sending):
                response = wrapped.send(
                    request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
                )
        finally:
            request.body = body
        # Whoever sends the request again by the response's connection, as digest authentication does, is asked for.
        response.connection = self  # type: ignore[assignment]
        sending.answered(response)
        return response

    def close(self) -> None:
        """Close the wrapped adapter; the guard belongs to the scraper."""
        self.wrapped.close()


class _RequestsSending:
    """One request while it is sent, as often as urllib3 tries it, and what is published of it."""

    def __init__(
        self, guard: RequestGuard, request: requests.PreparedRequest, target: Target, proxies: dict[str, str] | None
    ) -> None:
        self._guard, self._request = guard, request
        self._target = target(request) if callable(target) else target
        self._body = known_body(request.body)
        proxy = select_proxy(str(request.url), proxies) if proxies else None
        self._proxy_id = None if proxy is None else proxy_id_of(proxy)
        self._guarded: GuardedRequest | None = None

    def begin(self) -> None:
        """Ask for leave to send the request, for the first time or again."""
        request = self._request
        attempt: int = getattr(request, _ATTEMPT, 1)
        self._guarded = self._guard.admit(
            str(request.method),
            str(request.url),
            target=self._target,
            headers=self._headers,
            body=self._body,
            attempt=attempt,
            answered_400=hasattr(request, _BAD_REQUEST),
        )
        setattr(request, _ATTEMPT, attempt + 1)

    def body_to_send(self) -> Any:
        """Return the request's body; one that streams is seen while it passes."""
        body = self._request.body
        return seen_body(body, self._body) if isinstance(self._body, BodyCapture) else body

    def retried(self, response: "BaseHTTPResponse") -> None:
        """Publish a response that urllib3 does not hand out; it is no 400, for that one is not retried."""
        guarded, self._guarded = self._guarded, None
        if guarded is not None:
            guarded.received(response.status)
            guarded.publish(**self._known(response))

    def answered(self, response: requests.Response) -> None:
        """Publish a response: at once, but a 400 when its body has passed or was closed, for that is evidence."""
        guarded, self._guarded = self._guarded, None
        if guarded is None:
            return
        # Not the response itself: where nobody closes it, it ends when nobody holds it.
        known, coding = self._known(response.raw), response.headers.get("content-encoding")
        if not guarded.received(response.status_code):
            guarded.publish(**known)
            return
        setattr(self._request, _BAD_REQUEST, True)

        def ended(body: BodyWatch) -> None:
            received: bytes | BodyCapture = body.capture
            if body.is_encoded and not body.capture.is_cut:
                received = without_content_coding(bytes(body.capture.body), coding)
            guarded.publish(**known, response_body=received, from_finalizer=body.is_abandoned)

        if not watch(response.raw, ended):
            guarded.publish(**known)

    def _known(self, raw: Any) -> dict[str, Any]:
        """Return what is published of a response besides its body."""
        headers = getattr(raw, "headers", {})
        return {
            "http_version": _HTTP_VERSIONS.get(getattr(raw, "version", 11), "1.1"),
            "request_body": self._body,
            "response_headers": lambda: _items(headers),
            "proxy_id": self._proxy_id,
        }

    def _headers(self) -> list[tuple[str, str]]:
        """Return the request's headers as urllib3 sends them: Host is first unless the scraper has set it."""
        request = self._request
        headers = _items(request.headers)
        if "host" not in request.headers:
            host = str(request.url).partition("//")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
            headers.insert(0, ("Host", host))
        return headers


_HTTP_VERSIONS = {9: "0.9", 10: "1.0", 11: "1.1", 20: "2", 30: "3"}


def _items(headers: Any) -> list[tuple[str, str]]:
    return [(_text(name), _text(value)) for name, value in headers.items()]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
