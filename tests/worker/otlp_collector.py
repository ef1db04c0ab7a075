"""A collector: it takes OTLP over HTTP as a real one does, and keeps the spans."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Collector", "ReceivedSpan"]


@dataclass(frozen=True)
class ReceivedSpan:
    """One span as the collector got it; ids as hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    duration_ns: int
    attributes: dict[str, Any]


class Collector:
    """The spans that came, in their order."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.url = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Collector"]:
        collector = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            collector.url = f"http://127.0.0.1:{server.server_port}"
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield collector
            finally:
                server.shutdown()
                thread.join()

    def take(self, body: bytes) -> None:
        """Keep the spans of one export."""
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _values(of_resource.resource.attributes)["service.name"]
            for span in (span for of_scope in of_resource.scope_spans for span in of_scope.spans):
                self.spans.append(
                    ReceivedSpan(
                        service=service,
                        name=span.name,
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        duration_ns=span.end_time_unix_nano - span.start_time_unix_nano,
                        attributes=_values(span.attributes),
                    )
                )

    def by_name(self) -> dict[str, ReceivedSpan]:
        """The latest span of each name."""
        return {span.name: span for span in self.spans}


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}
