"""One request that a guard has admitted: what came of it is published."""

import time
from typing import TYPE_CHECKING

from halt400.client_values import LONGEST_NAME
from halt400.events import response_event
from halt400.guard.body_capture import BodyCapture
from halt400.guard.request_parts import Body, HeaderSource, body_size, carried_body, no_headers, whole_body
from halt400.records import Request, ResponseEvent

if TYPE_CHECKING:
    from halt400.guard.request_guard import RequestGuard

__all__ = ["GuardedRequest"]

_COUNTS = (int, type(None))


class GuardedRequest:
    """One request that is sent: say what came of it.

    `received` when the status is known; then `publish` once: at once, or, for a 400, when its body has been read or
    was closed, for that is evidence.
    """

    __slots__ = (
        "_began",
        "_body",
        "_duration_ms",
        "_headers",
        "_signature",
        "_status",
        "_time_ms",
        "attempt",
        "guard",
        "method",
        "target",
        "url",
    )

    def __init__(
        self, guard: "RequestGuard", method: str, url: str, target: str, headers: HeaderSource, body: Body, attempt: int
    ) -> None:
        self.guard, self.method, self.url, self.target, self.attempt = guard, method, url, target, attempt
        self._headers, self._body = headers, body
        self._signature: str | None = None
        self._status, self._time_ms, self._duration_ms = 0, 0, 0.0
        self._began = time.perf_counter()

    def signature(self) -> str:
        """The group of like requests that this one belongs to, by what was known of it before it was sent."""
        if self._signature is None:
            from halt400.fingerprints import signature

            body = whole_body(self._body)
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            request = Request(method=self.method, url=self.url, headers=list(self._headers()), body=text)
            self._signature = signature(self.target, request)
        return self._signature

    def received(self, status: int) -> bool:
        """Take in the status of the response; return whether it is a 400, whose body is to be kept."""
        self._status = status
        self._duration_ms = (time.perf_counter() - self._began) * 1000
        self._time_ms = time.time_ns() // 1_000_000
        guard = self.guard
        if guard.gate is not None:
            guard.gate.report(self.target, guard.job_id, status)
        if guard._breaker is not None:
            guard._record(self, status)
        return status == 400

    def publish(
        self,
        *,
        http_version: str = "1.1",
        request_headers: HeaderSource | None = None,
        request_body: Body = None,
        response_headers: HeaderSource = no_headers,
        response_body: Body = None,
        response_size: int | None = None,
        proxy_id: str | None = None,
        proxy_pool: str | None = None,
        from_finalizer: bool = False,
    ) -> None:
        """Publish the response; never raises, for the scraper goes on whatever becomes of its event.

        Parameters
        ----------
        request_headers, request_body
            As they were sent; default: as they were given to `RequestGuard.admit`.
        response_headers, response_body
            As they were received, the body without its content coding; needed of a 400 only.
        response_size
            The response body's size in bytes, where `response_body` is not all of it.
        from_finalizer
            Whether this is called by ``__del__``, for a response that nobody read or closed.
        """
        try:
            if not from_finalizer and self._publish_bare(
                http_version, request_body, response_body, response_size, proxy_id, proxy_pool
            ):
                return
            event = self._event(
                http_version,
                request_headers or self._headers,
                request_body if request_body is not None else self._body,
                response_headers,
                response_body,
                response_size,
                proxy_id,
                proxy_pool,
            )
            publisher = self.guard.publisher
            (publisher.publish_soon if from_finalizer else publisher.publish)(event)
        except Exception as error:
            self.guard._log_unpublished(self.target, error)
            return
        stats = self.guard.stats
        stats.published += 1
        if self._status == 400:
            stats.bad_requests += 1

    def _publish_bare(
        self,
        http_version: str,
        request_body: Body,
        response_body: Body,
        response_size: int | None,
        proxy_id: str | None,
        proxy_pool: str | None,
    ) -> bool:
        """Publish a response of which neither headers nor bodies are wanted; return whether that was possible."""
        guard, url, status, target = self.guard, self.url, self._status, self.target
        publisher = guard.publisher
        if status == 400 or publisher.wants_headers(target, self.method, status):
            return False
        body = request_body if request_body is not None else self._body
        sent = None if body is None else body_size(body)
        if response_size is None and response_body is not None:
            response_size = body_size(response_body)
        # What is out of the ordinary is looked at, and mended, where events are built.
        if not (_is_plain(url) and "@" not in url and _is_plain(target) and len(target) <= LONGEST_NAME):
            return False
        if type(response_size) not in _COUNTS:
            return False
        names = (
            self.method,
            status,
            http_version,
            guard.job_id,
            guard.run_id,
            guard.release,
            guard.worker,
            guard.region,
            self.attempt,
            proxy_id,
            proxy_pool,
            guard.client,
            guard.client_version,
        )
        value = guard._bare_events.encoded(names, self._time_ms, target, url, sent, response_size, self._duration_ms)
        publisher.publish_bare(target, self.method, status, value)
        guard.stats.published += 1
        return True

    def _event(
        self,
        http_version: str,
        request_headers: HeaderSource,
        request_body: Body,
        response_headers: HeaderSource,
        response_body: Body,
        response_size: int | None,
        proxy_id: str | None,
        proxy_pool: str | None,
    ) -> ResponseEvent:
        guard, status = self.guard, self._status
        wants_headers = guard.publisher.wants_headers(self.target, self.method, status)
        event = response_event(
            method=self.method,
            url=self.url,
            status=status,
            job_id=guard.job_id,
            target=self.target,
            time_ms=self._time_ms,
            http_version=http_version,
            request_headers=request_headers() if wants_headers else (),
            request_body=None if request_body is None else carried_body(request_body),
            response_headers=response_headers() if wants_headers else (),
            response_body=None if response_body is None else carried_body(response_body),
            response_body_size=response_size,
            run_id=guard.run_id,
            release=guard.release,
            worker=guard.worker,
            region=guard.region,
            attempt=self.attempt,
            proxy_id=proxy_id,
            proxy_pool=proxy_pool,
            client=guard.client,
            client_version=guard.client_version,
            duration_ms=round(self._duration_ms, 3),
        )
        if isinstance(request_body, BodyCapture):
            event.request.body_size = request_body.size
            event.request.body_truncated = request_body.is_cut
            if event.request.body_sha256 is not None:
                event.request.body_sha256 = request_body.digest.hexdigest()
        if isinstance(response_body, BodyCapture) and response_body.is_cut:
            event.response.body_truncated = True
            event.response.body_size = response_body.size
        return event


def _is_plain(text: str) -> bool:
    return type(text) is str and text.isascii() and text != ""
