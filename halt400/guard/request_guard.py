"""The guard: what every integration does around one request, whatever the HTTP client; see `halt400.guard`."""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from halt400.client_values import plain_text
from halt400.errors import InvalidEvent, JobQuarantined
from halt400.events import target_of
from halt400.guard.bare_events import BareEvents
from halt400.guard.guarded_request import GuardedRequest
from halt400.guard.local_breaker import LocalBreaker, LocalHold
from halt400.guard.request_parts import Body, HeaderSource, no_headers, size_of, whole_body
from halt400.records import Command, ResponseEvent

if TYPE_CHECKING:
    from halt400.gate import Gate
    from halt400.sync import SyncGate

__all__ = ["GuardStats", "PreflightMode", "Publishes", "RequestGuard"]

log = logging.getLogger(__name__)

PreflightMode = Literal["warn", "block"]


class Publishes(Protocol):
    """`Publisher` and `SyncPublisher`: takes an event, returns at once and never raises."""

    def wants_headers(self, target: str, method: str, status: int) -> bool:
        """Whether the next response of this kind is published with headers."""

    def publish(self, event: ResponseEvent) -> None:
        """Hand in one event."""

    def publish_soon(self, event: ResponseEvent) -> None:
        """Hand in one event from a finalizer."""

    def publish_bare(self, target: str, method: str, status: int, value: bytes) -> None:
        """Hand in one event that is encoded, of a response that is published without headers and is no 400."""


class HoldsBack(Protocol):
    """An adapter that publishes a response only when it has learned more of it."""

    def publish_what_is_known(self) -> None:
        """Publish what is held back."""


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
            if value:
                plain_text(value, field, longest=None)
        self.publisher, self.gate = publisher, gate
        self.job_id, self.run_id, self.release, self.worker, self.region = job_id, run_id, release, worker, region
        self.client, self.client_version, self.target = client, client_version, target
        self.stats = GuardStats()
        self._bare_events = BareEvents()
        self._preflight, self._breaker, self._clock = preflight, local_hold, clock
        self._lock = threading.Lock()
        self._logged: set[str] = set()
        self._holding_back: weakref.WeakSet[HoldsBack] = weakref.WeakSet()
        if gate is not None and local_hold is not None:
            gate.on_change(self._clear)

    def before_it_ends(self, adapter: HoldsBack) -> None:
        """Have an adapter publish what it holds back before the publisher stops; it may end before."""
        with self._lock:
            self._holding_back.add(adapter)

    def publish_what_is_known(self) -> None:
        """Have every adapter publish what it holds back."""
        with self._lock:
            adapters = list(self._holding_back)
        for adapter in adapters:
            adapter.publish_what_is_known()

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
    ) -> GuardedRequest:
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
            except JobQuarantined as refusal:
                self.stats.refused += 1
                if refusal.command is not None:
                    # The gate has counted the request; its bytes are counted where the caller's parts can be made.
                    with suppress(Exception):
                        size = size_of(method, url, headers, body)
                        self.gate.count_not_sent(refusal.command, 0, request_bytes=size)
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

            preflight(method, url, headers(), whole_body(body), mode=self._preflight)
        return request

    def target_for(self, url: str, named: str | Callable[[str], str] | None = None) -> str:
        """Name the target of a URL: as `named` says, a string or a function of it; else the guard's, else its host."""
        return (named(url) if callable(named) else named) or self.target or target_of(url)

    def may_refuse(self) -> bool:
        """Whether some request would be refused as things are; an adapter to which asking is dear asks only then."""
        return (
            self._preflight is not None
            or (self._breaker is not None and self._breaker.follows_any)
            or (self.gate is not None and self.gate.may_refuse(self.job_id))
        )

    def count_not_sent(self, command: Command | None, requests: int) -> None:
        """Count requests that the job gives up because of `command`, such as the rest of its queue."""
        if self.gate is not None and command is not None:
            self.gate.count_not_sent(command, requests)

    def _ask_breaker(self, request: GuardedRequest, breaker: LocalBreaker) -> None:
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

    def _record(self, request: GuardedRequest, status: int) -> None:
        breaker = self._breaker
        if breaker is None or not (status == 400 or breaker.follows(request.target)):
            return
        with self._lock:
            hold = breaker.record(request.target, request.signature(), status, self._clock())
        if hold is not None:
            self._log_hold(request, hold)

    def _log_hold(self, request: GuardedRequest, hold: LocalHold) -> None:
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
