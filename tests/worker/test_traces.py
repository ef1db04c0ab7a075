"""One 400 is one trace, from the scraper's request to the page, at a real receiver of OTLP."""

import asyncio
import subprocess
import sys
import time

import msgspec
import pytest

from halt400.errors import SettingError
from halt400.publisher import Publisher
from halt400.records import ResponseEvent
from tests.worker.conftest import Cluster
from tests.worker.otlp_collector import Collector

REQUEST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SCRAPER = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from halt400 import Publisher, response_event
from halt400.kafka.connection import KafkaConnection

provider = TracerProvider(resource=Resource({"service.name": "scraper"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)

async def scrape() -> None:
    async with Publisher(KafkaConnection(sys.argv[1], sys.argv[2])) as publisher:
        for status in (200, 400):
            publisher.publish(response_event(method="GET", url="https://api.shop.example/products", status=status,
                job_id="job-0", traceparent=sys.argv[3]))
        assert await publisher.flush(30)

asyncio.run(scrape())
provider.shutdown()
"""


async def test_a_400_is_one_trace_from_the_request_to_the_alert_and_a_success_has_no_span(cluster: Cluster) -> None:
    cluster.write_policies(
        '[alerts.sink.out]\nkind = "stdout"\n[[alerts.route]]\nname = "all"\nsinks = ["out"]\n'
        'group_wait_s = 0\npage_on = ["job"]\n'
    )
    with Collector.running() as collector:
        traced = {
            "HALT400_TRACES_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        cluster.start_worker(**traced)
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", SCRAPER, cluster.bootstrap_servers, cluster.prefix, REQUEST],
            env=cluster.environment | traced,
            check=True,
            timeout=60,
        )
        expected = {f"halt400 {what}" for what in ("publish", "detect", "command", "archive", "alert")}
        await cluster.until(lambda: expected <= collector.by_name().keys())
        assert cluster.stop_workers() == [0]
    spans = collector.by_name()
    assert len(collector.spans) == len(expected), "spans are made of the 400 only"
    _, trace, request, _ = REQUEST.split("-")
    assert {span.trace for span in spans.values()} == {trace}
    parents = {name.removeprefix("halt400 "): span.parent for name, span in spans.items()}
    ids = {name.removeprefix("halt400 "): span.id for name, span in spans.items()}
    assert parents == {
        "publish": request,
        "detect": ids["publish"],
        "command": ids["detect"],
        "archive": ids["detect"],
        "alert": ids["command"],
    }
    services = {name.removeprefix("halt400 "): span.service for name, span in spans.items()}
    assert services == {
        "publish": "scraper",
        "detect": "halt400-detect",
        "command": "halt400-detect",
        "archive": "halt400-follow-up",
        "alert": "halt400-follow-up",
    }
    assert all(0 <= span.duration_ns < 60e9 for span in spans.values())
    detect = spans["halt400 detect"].attributes
    assert (detect["halt400.target"], detect["halt400.job_id"], detect["halt400.opens"]) == (
        "api.shop.example",
        "job-0",
        True,
    )
    assert spans["halt400 archive"].attributes["halt400.archived"] is True
    assert spans["halt400 alert"].attributes["halt400.outcome"] == "accepted"


def event(status: int) -> ResponseEvent:
    return msgspec.convert(
        {
            "id": f"e{status}",
            "time": int(time.time() * 1000),
            "target": "api.shop.example",
            "job_id": "job-0",
            "request": {"method": "GET", "url": "https://api.shop.example/"},
            "response": {"status": status},
        },
        ResponseEvent,
    )


@pytest.mark.slow
def test_without_the_setting_nothing_of_opentelemetry_is_loaded_or_asked() -> None:
    check = (
        "import sys, halt400, streams.processing.output_sender; from halt400 import Publisher; "
        "Publisher('127.0.0.1:1'); assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_a_program_that_has_not_set_opentelemetry_up_publishes_as_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALT400_TRACES_ENABLED", "true")
    publisher = Publisher("127.0.0.1:1")
    for status in (200, 400):
        assert publisher.accept(event(status))
    assert publisher.stats.buffered == 2


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALT400_TRACES_ENABLED", "true")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SettingError, match=r"OpenTelemetry is not installed.*") as raised:
        Publisher("127.0.0.1:1")
    assert "pip install 'halt400[otel]'" in str(raised.value)
