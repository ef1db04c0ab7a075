"""Traces of the service by OpenTelemetry: a 400 from its request over detection and command to archive and alert.

Off unless ``HALT400_TRACES_ENABLED`` is true. Spans are made of 400s only, and of what follows from them. The exporter
is set up by OpenTelemetry's own variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from halt400.records import Command, Offence
from halt400.tracing import no_opentelemetry
from streams.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import SpanKind

__all__ = ["Headers", "Traces", "new_traces"]

Headers = list[tuple[str, bytes]]
HEADER = "traceparent"
MOST_COMMANDS = 10_000
FLUSH_WITHIN_S = 2.0


def new_traces(settings: Settings, process: str) -> "Traces | None":
    """The traces of a process, detect or follow-up; None where they are off.

    Raises
    ------
    SettingError
        They are on, and OpenTelemetry is not installed.
    """
    return Traces(process) if settings.traces.enabled else None


class Traces:
    """Makes the spans of one process, and sends them to the collector in a thread of OpenTelemetry."""

    def __init__(self, process: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise no_opentelemetry() from None
        resource = Resource.create()
        # Where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES name it.
        if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": f"halt400-{process}"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("halt400")
        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        self._commands: OrderedDict[str, str] = OrderedDict()

    async def start(self) -> None:
        """Do nothing: the first span starts it."""

    async def stop(self) -> None:
        """Send the spans that wait, for a moment."""
        await asyncio.to_thread(self._provider.force_flush, int(FLUSH_WITHIN_S * 1000))

    def detected(self, offences: Iterable[Offence], commands: Iterable[Command]) -> dict[str, Headers]:
        """Make the spans of some 400s and of the commands that follow.

        Returns
        -------
        dict
            The headers of the records by event id and by command id.
        """
        found: dict[str, Headers] = {}
        opened: dict[str, str] = {}
        for offence in offences:
            event, kind = offence.event, self._trace.SpanKind.CONSUMER
            attributes = {
                "halt400.event_id": event.id,
                "halt400.target": offence.target,
                "halt400.job_id": event.job_id,
                "halt400.cause": offence.diagnosis.cause if offence.diagnosis is not None else "unknown",
                "halt400.opens": offence.opens,
            }
            parent = self._span("halt400 detect", event.traceparent, kind, offence.seen_at * 1_000_000, attributes)
            found[event.id] = _headers(parent)
            if offence.command_id is not None and offence.opens:
                opened[offence.command_id] = parent
        for command in commands:
            if command.command_id in opened:
                attributes = {
                    "halt400.command_id": command.command_id,
                    "halt400.scope": command.scope.id,
                    "halt400.state": command.state,
                }
                found[command.command_id] = _headers(
                    self._span(
                        "halt400 command",
                        opened[command.command_id],
                        self._trace.SpanKind.PRODUCER,
                        command.issued_at * 1_000_000,
                        attributes,
                    )
                )
        return found

    def archived(self, records: Sequence[Any], started_ns: int, kept: Mapping[int, str]) -> None:
        """Make the spans of records of `offences` whose evidence is durable: `kept` has the key of each by offset."""
        for record in records:
            parent = _traceparent(record)
            if parent is not None:
                key = kept.get(record.offset, "")
                attributes = {"halt400.archived": bool(key), "halt400.archive_key": key}
                self._span("halt400 archive", parent, self._trace.SpanKind.CONSUMER, started_ns, attributes)

    def remember(self, command_id: str, record: Any) -> None:
        """Remember the trace of a command, for the alert about it."""
        parent = _traceparent(record)
        if parent is not None:
            self._commands[command_id] = parent
            if len(self._commands) > MOST_COMMANDS:
                self._commands.popitem(last=False)

    def alerted(self, command_id: str, sink: str, started_ns: int, outcome: str) -> None:
        """Make the span of an alert about a command; one whose trace is not known has none."""
        parent = self._commands.get(command_id)
        if parent is not None:
            attributes = {"halt400.sink": sink, "halt400.outcome": outcome}
            self._span("halt400 alert", parent, self._trace.SpanKind.CLIENT, started_ns, attributes)

    def _span(
        self, name: str, parent: str | None, kind: "SpanKind", started_ns: int, attributes: Mapping[str, Any]
    ) -> str:
        """Make one span that ends now; returns its traceparent."""
        context = self._propagator.extract({} if parent is None else {HEADER: parent})
        span = self._tracer.start_span(name, context, kind, attributes, start_time=min(started_ns, time.time_ns()))
        span.end()
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(span))
        return carrier.get(HEADER, "")


def _headers(traceparent: str) -> Headers:
    return [(HEADER, traceparent.encode())]


def _traceparent(record: Any) -> str | None:
    return next((value.decode(errors="replace") for name, value in record.headers if name == HEADER and value), None)
