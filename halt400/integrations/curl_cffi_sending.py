"""One request while curl sends it, and what is published of it."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from curl_cffi.requests import Headers, RequestsError, Response
from curl_cffi.requests.utils import update_url_params

from halt400.guard import BodyCapture, GuardedRequest, RequestGuard
from halt400.integrations.curl_cffi_bodies import seen_content, watch
from halt400.integrations.curl_cffi_trace import SentHead, borrow_trace, give_back, is_traced
from halt400.proxies import proxy_id_of

__all__ = ["CurlSending", "NotRetried"]

_HTTP_VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}


class NotRetried(BaseException):
    """Carries the error of a 400 past curl_cffi's retries."""

    def __init__(self, error: RequestsError) -> None:
        self.error = error


class CurlSending:
    """One attempt, within a ``with`` block, where curl tells what it sends.

    Attributes
    ----------
    options
        The arguments of the attempt, with a body that streams replaced by one that is seen.
    """

    def __init__(
        self,
        session: Any,
        guard: RequestGuard,
        target: str | Callable[[str], str] | None,
        options: dict[str, Any],
        attempt: int,
    ) -> None:
        self._session, self._guard, self.options = session, guard, options
        self._capture: BodyCapture | None = None
        self._target = target
        url = _url(session, options)
        self._guarded: GuardedRequest = guard.admit(
            str(options["method"]),
            url,
            target=guard.target_for(url, target),
            headers=self._known_headers,
            body=self._known_body,
            attempt=attempt,
        )
        content = options.get("content")
        if content is not None and not isinstance(content, str | bytes | bytearray):
            self._capture = BodyCapture()
            self.options = {**options, "content": seen_content(content, self._capture)}
        self._borrowed = borrow_trace() if is_traced(session) else None
        self._heads: list[SentHead] | None = None if self._borrowed is not None else []

    def __enter__(self) -> "CurlSending":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if isinstance(error, RequestsError) and self._failed(error):
                raise NotRetried(error) from error
        finally:
            if self._borrowed is not None:
                give_back(*self._borrowed)

    def _failed(self, error: RequestsError) -> bool:
        """Publish the response that an error may carry; return whether it is a 400, which is not sent again."""
        response = getattr(error, "response", None)
        if response is None or not response.status_code:
            return False
        self.answered(response)
        return bool(response.status_code == 400)

    def answered(self, response: Response) -> Response:
        """Publish a response: at once, but a 400 that streams when its body has passed or was closed."""
        if self._borrowed is not None and self._session.cache_backend is not None and not self._sent():
            # It came from the session's cache.
            return response
        last = self._guarded
        for number, hop in enumerate(response.history):
            last.received(hop.status_code)
            last.publish(**self._known(last, hop, number))
            after = response.history[number + 1] if number + 1 < len(response.history) else response
            last = self._redirected(after.url, hop.status_code, _nth(self._sent(), number + 1))
        if response.status_code == 400:
            self._sent()  # before the trace is given back
        # Not the response itself: where nobody closes it, it ends when nobody holds it.
        guarded, known = last, self._known(last, response, len(response.history))
        if not guarded.received(response.status_code):
            guarded.publish(**known)
        elif response.queue is None:
            guarded.publish(**known, response_body=response.content)
        else:
            watch(
                response,
                lambda received, from_finalizer: guarded.publish(
                    **known, response_body=received, from_finalizer=from_finalizer
                ),
            )
        return response

    def _redirected(self, url: str, status: int, head: SentHead | None) -> GuardedRequest:
        """Return the request that curl itself sent on to `url`."""
        before = self._guarded
        if head is not None:
            method = head.method
        else:
            method = "GET" if before.method == "POST" and status in (301, 302, 303) else before.method
        target = self._guard.target_for(url, self._target)
        body = self._known_body if method == before.method else None
        return GuardedRequest(self._guard, method, url, target, self._known_headers, body, before.attempt)

    def _sent(self) -> list[SentHead]:
        """Return the heads of the requests that curl sent, within the ``with`` block."""
        if self._heads is None:
            assert self._borrowed is not None
            self._heads = self._borrowed[0].take()
        return self._heads

    def _sent_headers(self, number: int) -> list[tuple[str, str]]:
        """Return the headers of the request at this place of a chain of redirects: what curl sent, if that is told."""
        head = _nth(self._sent(), number)
        told = None if head is None else head.headers()
        return self._known_headers() if told is None else told

    def _known(self, guarded: GuardedRequest, response: Response, number: int) -> dict[str, Any]:
        """Return what is published of a response besides its body."""
        sent, headers = response.request, response.headers
        request_body: bytes | BodyCapture | None = self._capture
        if sent is not None:
            if not response.history:
                guarded.url = sent.url
            if request_body is None and guarded.method == sent.method:
                request_body = sent.body
        return {
            "http_version": _HTTP_VERSIONS.get(int(response.http_version), "1.1"),
            "request_headers": partial(self._sent_headers, number),
            "request_body": request_body,
            "response_headers": lambda: _items(headers),
            "proxy_id": _proxy_id(self._session, self.options, guarded.url),
        }

    def _known_headers(self) -> list[tuple[str, str]]:
        headers = Headers(self._session.headers)
        headers.update(self.options.get("headers"))
        return _items(headers)

    def _known_body(self) -> bytes | None:
        """Return the body as curl_cffi will encode it, unless it streams or has several parts."""
        options = self.options
        if options.get("json") is not None:
            return json.dumps(options["json"], separators=(",", ":")).encode()
        body = options.get("content") if options.get("content") is not None else options.get("data")
        if isinstance(body, str):
            return body.encode()
        if isinstance(body, bytes | bytearray):
            return bytes(body)
        return urlencode(body).encode() if isinstance(body, dict | list | tuple) else None


def _url(session: Any, options: dict[str, Any]) -> str:
    url: str = options["url"]
    for params in (session.params, options.get("params")):
        if params:
            url = update_url_params(url, params)
    return urljoin(session.base_url, url) if session.base_url else url


def _nth(heads: list[SentHead], number: int) -> SentHead | None:
    return heads[number] if number < len(heads) else None


def _items(headers: Headers) -> list[tuple[str, str]]:
    return [(name, value or "") for name, value in headers.multi_items()]


def _proxy_id(session: Any, options: dict[str, Any], url: str) -> str | None:
    """Name the proxy as curl_cffi chooses it: by scheme and host, by host, by scheme, or for all."""
    proxy, proxies = options.get("proxy"), options.get("proxies")
    if proxy is None:
        proxies = session.proxies if proxies is None else proxies
        if not proxies:
            return None
        parts = urlsplit(url)
        names: Iterable[str] = (
            f"{parts.scheme}://{parts.hostname}",
            f"all://{parts.hostname}",
            parts.scheme,
            "all",
        )
        proxy = next((proxies[name] for name in names if proxies.get(name)), None)
    return None if proxy is None else proxy_id_of(proxy)
