"""The guard: what every integration does around one request, whatever the HTTP client; see `halt400.guard`."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from halt400.client_values import plain_text
from halt400.errors import InvalidEvent, JobQuarantined
from halt400.events import response_event, target_of
from halt400.guard.body_capture import BodyCapture
from halt400.guard.local_breaker import LocalBreaker, LocalHold
from halt400.records import Command, Request, ResponseEvent

if TYPE_CHECKING:
    from halt400.gate import Gate
    from halt400.sync import SyncGate

__all__ = ["Body", "GuardStats", "GuardedRequest", "HeaderSource", "PreflightMode", "RequestGuard", "no_headers"]

log = logging.getLogger(__name__)

PreflightMode = Literal["warn", "block"]
HeaderSource = Callable[[], Iterable[tuple[str, str]]]
"""Gives names and values in their order; called only where they are needed, which most responses do not."""
Body = bytes | str | BodyCapture | Callable[[], bytes | str | None] | None
"""Whole, seen while it streams, or made only where it is needed."""


def no_headers() -> Iterable[tuple[str, str]]:
    """No headers are known."""
    return ()


def _whole(body: Body) -> bytes | str | None:
    """Return a body that does not stream."""
    return None if isinstance(body, BodyCapture) else body() if callable(body) else body


def _carried(body: Body) -> bytes | str | None:
    """Return a body, or what is kept of one that streams."""
    return bytes(body.body) if isinstance(body, BodyCapture) else _whole(body)


class Publishes(Protocol):
    """`Publisher` and `SyncPublisher`: takes an event, returns at once and never raises."""

    def wants_headers(self, target: str, method: str, status: int) -> bool:
        """Whether the next response of this kind is published with headers."""

    def publish(self, event: ResponseEvent) -> None:
        """Hand in one event."""

    def publish_soon(self, event: ResponseEvent) -> None:
        """Hand in one event from a finalizer."""


@dataclass(slots=True)
class GuardStats:
    """What a guard has done so far.

    Attributes
    ----------
    published
        Responses handed to the publisher.
    bad_requests
        Those of them with status 400.
    refused
        Requests that were not sent: the gate, the local breaker or an earlier 400 of the same request refused them.
    refused_locally
        Those of them that this process alone refused.
    """

    published: int = 0
    bad_requests: int = 0
    refused: int = 0
    refused_locally: int = 0


class RequestGuard:
    """Admit requests and publish their responses, for one job.

    Parameters
    ----------
    publisher
        Where responses go: a `Publisher` or a `SyncPublisher`.
    gate
        Who is asked before sending: a `Gate` or a `SyncGate`; ``None`` publishes only.
    job_id, run_id, release, worker, region
        Who sends; see `halt400.records.ResponseEvent`.
    client, client_version
        The HTTP client, as the events name it.
    target
        Names the target of every request; default: host and port of its URL.
    preflight
        ``"warn"`` logs a request that will be refused before it is sent, ``"block"`` raises instead of sending it.
    local_hold
        The circuit breaker of this process; ``None`` for none. It stops requests of one signature after a run of 400s,
        also while Kafka is away.
    clock
        Monotonic seconds.

    Attributes
    ----------
    stats : GuardStats
        What it has done so far.

    Raises
    ------
    InvalidEvent
        `job_id` is empty, or one of the names is no text.
    """

    def __init__(
        self,
        publisher: Publishes,
        gate: "Gate | SyncGate | None",
        *,
        job_id: str,
        run_id: str | None = None,
        release: str | None = None,
        worker: str | None = None,
        region: str | None = None,
        client: str | None = None,
        client_version: str | None = None,
        target: str | None = None,
        preflight: PreflightMode | None = None,
        local_hold: LocalBreaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        job_id = plain_text(job_id, "job_id")
        # Told here, once, rather than by every response: nothing would be published.
        for field, value in (("run_id", run_id), ("release", release), ("worker", worker), ("region", region)):
            if value is not None:
                plain_text(value, field)
        self.publisher, self.gate = publisher, gate
        self.job_id, self.run_id, self.release, self.worker, self.region = job_id, run_id, release, worker, region
        self.client, self.client_version, self.target = client, client_version, target
        self.stats = GuardStats()
        self._preflight, self._breaker, self._clock = preflight, local_hold, clock
        self._lock = threading.Lock()
        self._logged: set[str] = set()
        if gate is not None and local_hold is not None:
            gate.on_change(self._clear)

    def admit(
        self,
        method: str,
        url: str,
        *,
        target: str | None = None,
        headers: HeaderSource = no_headers,
        body: Body = None,
        attempt: int = 1,
        answered_400: bool = False,
    ) -> "GuardedRequest":
        """Ask whether a request may be sent: once for each sending, right before it.

        Parameters
        ----------
        target
            The request's target; default: the guard's, else host and port of `url`.
        headers, body
            What will be sent, for `preflight` and the local breaker; a body that streams is left out.
        attempt
            1 for the first sending of a logical request, 2, 3, ... for its retries.
        answered_400
            Whether this very request was answered 400 before: then it is refused.

        Raises
        ------
        JobQuarantined
            It may not be sent.
        PreflightFailed
            `preflight` is ``"block"``, and the request would be refused.
        BrokerUnavailable
            The gate does not know, and was made with ``fail_open=False``.
        """
        target = target or self.target or target_of(url)
        if self.gate is not None:
            try:
                self.gate.raise_if_halted(target, self.job_id)
            except JobQuarantined:
                self.stats.refused += 1
                raise
        if answered_400:
            self._refuse_locally(
                f"{method} {target} was answered 400 Bad Request and is not sent again.",
                "Mend the request and send it as a new one.",
            )
        request = GuardedRequest(self, method, url, target, headers, body, attempt)
        if self._breaker is not None and self._breaker.follows(target):
            self._ask_breaker(request, self._breaker)
        if self._preflight is not None:
            from halt400.preflight import preflight

            preflight(method, url, headers(), _whole(body), mode=self._preflight)
        return request

    def count_not_sent(self, command: Command | None, requests: int) -> None:
        """Count requests that the job gives up because of `command`, such as the rest of its queue."""
        if self.gate is not None and command is not None:
            self.gate.count_not_sent(command, requests)

    def _ask_breaker(self, request: "GuardedRequest", breaker: LocalBreaker) -> None:
        with self._lock:
            hold = breaker.refuses(request.target, request.signature(), self._clock())
        if hold is not None:
            self._refuse_locally(
                f"{request.method} {request.target} was answered 400 Bad Request {hold.bad_requests} times in a row; "
                f"this process alone does not send its like for {hold.until_s - self._clock():.0f} s.",
                "Mend the request; a command for the target, or a success, ends this.",
            )

    def _refuse_locally(self, message: str, mend: str) -> None:
        self.stats.refused += 1
        self.stats.refused_locally += 1
        raise JobQuarantined(message, mend)

    def _record(self, request: "GuardedRequest", status: int) -> None:
        breaker = self._breaker
        if breaker is None or not (status == 400 or breaker.follows(request.target)):
            return
        with self._lock:
            hold = breaker.record(request.target, request.signature(), status, self._clock())
        if hold is not None:
            self._log_hold(request, hold)

    def _log_hold(self, request: "GuardedRequest", hold: LocalHold) -> None:
        log.warning(
            "%s %s was answered 400 Bad Request %d times in a row: this process does not send its like for %.0f s.",
            request.method,
            hold.target,
            hold.bad_requests,
            hold.until_s - self._clock(),
        )

    def _log_unpublished(self, target: str, error: Exception) -> None:
        """Log each kind of error once: a scraper that makes one makes it with every response."""
        field = error.field.partition("[")[0] if isinstance(error, InvalidEvent) else None
        kind = f"{type(error).__name__} {field}"
        if kind in self._logged:
            return
        self._logged.add(kind)
        log.error(
            "A response of %s cannot be published: %s Errors of this kind are logged once.",
            target,
            error,
            exc_info=None if field else error,
        )

    def _clear(self, command: Command) -> None:
        assert self._breaker is not None
        with self._lock:
            self._breaker.clear(command.scope.target)


class GuardedRequest:
    """One request that is sent: say what came of it.

    `received` when the status is known; then `publish` once: at once, or, for a 400, when its body has been read or
    was closed, for that is evidence. `answered` does both.
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
        self, guard: RequestGuard, method: str, url: str, target: str, headers: HeaderSource, body: Body, attempt: int
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

            body = _whole(self._body)
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

    def answered(
        self,
        status: int,
        *,
        http_version: str = "1.1",
        request_headers: HeaderSource | None = None,
        request_body: Body = None,
        response_headers: HeaderSource = no_headers,
        response_body: Body = None,
        response_size: int | None = None,
        proxy_id: str | None = None,
        proxy_pool: str | None = None,
    ) -> None:
        """`received` and `publish` in one, for a client that hands out whole responses."""
        self.received(status)
        self.publish(
            http_version=http_version,
            request_headers=request_headers,
            request_body=request_body,
            response_headers=response_headers,
            response_body=response_body,
            response_size=response_size,
            proxy_id=proxy_id,
            proxy_pool=proxy_pool,
        )

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
            request_body=_carried(request_body),
            response_headers=response_headers() if wants_headers else (),
            response_body=_carried(response_body),
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
