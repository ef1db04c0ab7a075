"""Requests that Playwright sends beside the browser: ``context.request``, ``page.request`` and ``route.fetch``.

A chain of redirects is followed where no one sees it: its last response is published.
"""

import json
import logging
import re
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urljoin

from playwright.async_api import Error

from halt400.guard import GuardedRequest, RequestGuard
from halt400.integrations.playwright_apis import Api, settled
from halt400.integrations.playwright_headers import pairs
from halt400.integrations.playwright_traffic import TrafficOptions

__all__ = ["ApiRequests"]

log = logging.getLogger(__name__)

_METHODS = ("delete", "fetch", "get", "head", "patch", "post", "put")
_REFUSED_STATUS = re.compile(r"^(?:\w+\.\w+: )?([2-5]\d\d) ")
"""The error of ``fail_on_status_code=True`` begins with the status."""


class ApiRequests:
    """Ask, send, publish; for the requests of an ``APIRequestContext``."""

    def __init__(self, guard: RequestGuard, api: Api, options: TrafficOptions) -> None:
        self._guard, self._api, self._options = guard, api, options
        self._base_url = ""

    def protect(self, requests: Any) -> None:
        """Put the guard before each method that sends."""
        for name in _METHODS:
            setattr(requests, name, self._protected(name, getattr(requests, name)))

    def _protected(self, name: str, plain: Any) -> Any:
        async def work(url: Any, options: dict[str, Any]) -> Any:
            method = options.get("method") or getattr(url, "method", None) or "GET" if name == "fetch" else name
            guarded = self._admitted(method.upper(), url, options)
            try:
                response = await settled(plain(url, **options))
            except Error as error:
                status = _REFUSED_STATUS.match(error.message)
                if status is not None:
                    guarded.received(int(status[1]))
                    guarded.publish(proxy_id=self._options.proxy_id)
                raise
            if isinstance(url, str) and not url.startswith("http"):
                self._base_url = response.url
            await self.answered(guarded, response)
            return response

        @wraps(plain)
        def call(*url: Any, **options: Any) -> Any:
            asked = url[0] if url else options.pop("url_or_request" if name == "fetch" else "url")
            return self._api.result_of(work(asked, options))

        return call

    def _admitted(self, method: str, asked: Any, options: dict[str, Any]) -> GuardedRequest:
        """Ask for a request; one whose host is not known before it was sent, for it is relative, is sent."""
        url = urljoin(self._base_url, asked if isinstance(asked, str) else asked.url)
        known: dict[str, Any] = {
            "headers": lambda: _headers(asked, options),
            "body": lambda: _body(asked, options),
        }
        if url.startswith("http"):
            return self._guard.admit(method, url, target=self._guard.target_for(url, self._options.target), **known)
        return GuardedRequest(self._guard, method, url, "unknown", known["headers"], known["body"], 1)

    async def answered(self, guarded: GuardedRequest, response: Any) -> None:
        """Publish a response; never raises."""
        try:
            guarded.url = response.url
            guarded.target = self._guard.target_for(response.url, self._options.target)
            known: dict[str, Any] = {"proxy_id": self._options.proxy_id}
            if guarded.received(response.status):
                known["response_headers"] = lambda: pairs(response.headers_array)
                known["response_body"] = await settled(response.body())
        except Exception as error:
            log.debug("Published without what Playwright does not tell: %s", error)
        guarded.publish(**known)


def _headers(asked: Any, options: dict[str, Any]) -> list[tuple[str, str]]:
    given = options.get("headers")
    if given is None:
        given = {} if isinstance(asked, str) else asked.headers
    headers = list(given.items())
    if not any(name.lower() == "content-type" for name, _ in headers):
        if isinstance(options.get("form"), dict):
            headers.append(("content-type", "application/x-www-form-urlencoded"))
        elif options.get("data") is not None and not isinstance(options["data"], bytes | str):
            headers.append(("content-type", "application/json"))
    return headers


def _body(asked: Any, options: dict[str, Any]) -> bytes | str | None:
    data, form = options.get("data"), options.get("form")
    if isinstance(data, bytes):
        return data
    if data is not None:
        return _json(data) if _is_json(asked, options) or not isinstance(data, str) else data
    if isinstance(form, dict):
        return urlencode(form)
    if isinstance(asked, str) or options.get("multipart") is not None:
        return None
    body: bytes | None = asked.post_data_buffer
    return body


def _is_json(asked: Any, options: dict[str, Any]) -> bool:
    return any(
        name.lower() == "content-type" and value.startswith("application/json")
        for name, value in _headers(asked, options)
    )


def _json(data: Any) -> str:
    """Encode data as Playwright does: text that is no JSON becomes a JSON string."""
    if isinstance(data, str):
        try:
            json.loads(data)
        except ValueError:
            return json.dumps(data)
        return data
    return json.dumps(data)
