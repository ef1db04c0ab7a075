"""Traces of what is published, by OpenTelemetry: off unless ``HALT400_TRACES_ENABLED`` is true, and of 400s only.

The program sets OpenTelemetry up, as for its other traces; without that its spans go nowhere. Needs the extra ``otel``.
"""

import logging
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from halt400.errors import SettingError
from halt400.records import ResponseEvent

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["TRACES_VARIABLE", "PublishTraces", "no_opentelemetry", "publish_traces"]

TRACES_VARIABLE = "HALT400_TRACES_ENABLED"
MOST_OPEN = 1000

log = logging.getLogger(__name__)
_TRUE = {"1", "true", "yes", "on"}


def publish_traces(topic: str) -> "PublishTraces | None":
    """The traces of a publisher, None where they are off.

    Raises
    ------
    SettingError
        They are on, and OpenTelemetry is not installed.
    """
    return PublishTraces(topic) if os.environ.get(TRACES_VARIABLE, "").strip().lower() in _TRUE else None


def no_opentelemetry() -> SettingError:
    """The error where traces are on without OpenTelemetry."""
    return SettingError(
        f"{TRACES_VARIABLE}=true: OpenTelemetry is not installed.", "pip install 'halt400[otel]', or unset it."
    )


class PublishTraces:
    """A span for each 400 that is published, until the broker has it.

    Its parent is the event's ``traceparent``, else the span that is current; the event gets the new span's.
    """

    def __init__(self, topic: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise no_opentelemetry() from None
        self._tracer = trace.get_tracer("halt400")
        self._kind, self._error = trace.SpanKind.PRODUCER, trace.StatusCode.ERROR
        self._in_span, self._propagator = trace.set_span_in_context, TraceContextTextMapPropagator()
        self._topic = topic
        self._open: OrderedDict[bytes, Span] = OrderedDict()

    def begin(self, event: ResponseEvent) -> "tuple[ResponseEvent, Span | None]":
        """Begin the span of a 400; the event that is returned names it. The event is published whatever fails."""
        try:
            return self._begin(event)
        except Exception:
            log.debug("No span of the event %s.", event.id, exc_info=True)
            return event, None

    def _begin(self, event: ResponseEvent) -> "tuple[ResponseEvent, Span]":
        known = {} if event.traceparent is None else {"traceparent": event.traceparent}
        span = self._tracer.start_span(
            "halt400 publish",
            self._propagator.extract(known),
            self._kind,
            {
                "messaging.system": "kafka",
                "messaging.destination.name": self._topic,
                "halt400.event_id": event.id,
                "halt400.target": event.target,
                "halt400.job_id": event.job_id,
                "http.response.status_code": event.response.status,
            },
        )
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._in_span(span))
        return msgspec.structs.replace(event, traceparent=carrier.get("traceparent", event.traceparent)), span

    def wait(self, value: bytes, span: "Span") -> None:
        """Keep the span of an encoded event until `end`."""
        self._open[value] = span
        if len(self._open) > MOST_OPEN:
            _, oldest = self._open.popitem(last=False)
            oldest.set_status(self._error, "Kafka has not acknowledged it; later spans took its place.")
            oldest.end()

    def end(self, value: bytes | None, error: BaseException | None) -> None:
        """End the span of an encoded event."""
        span = self._open.pop(value, None) if value is not None else None
        if span is not None:
            if error is not None:
                span.set_status(self._error, repr(error))
            span.end()
