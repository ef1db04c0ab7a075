"""The metrics of all processes of a worker on one page: each gives its own on a socket, the first one joins them."""

import logging
import socket
import socketserver
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from streams.settings import Settings
from streams.worker.group_place import GroupPlace
from streams.worker.metrics_server import MetricsServer

__all__ = ["LABEL", "GroupMetrics", "MetricsSocket", "new_metrics_server"]

LABEL = "worker_process"
ANSWER_TIMEOUT_S = 2.0
STOP_WITHIN_S = 0.2

log = logging.getLogger("halt400.worker")


class MetricsSocket:
    """Gives this process's metrics, as text, to whoever connects to its place's socket."""

    def __init__(self, place: GroupPlace) -> None:
        self._place = place
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    async def start(self) -> None:
        """Listen, from a thread; a socket that an earlier process of this place left is removed."""
        self._place.socket.unlink(missing_ok=True)
        self._server = socketserver.ThreadingUnixStreamServer(str(self._place.socket), _Answer)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, args=(STOP_WITHIN_S,), name="metrics", daemon=True).start()

    async def stop(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(generate_latest(REGISTRY))


class GroupMetrics:
    """Collects the metrics of the processes of a worker; each series has the label `LABEL` with the process's name.

    Attributes
    ----------
    registry
        Has those of the processes that answer, and the process metrics of this one.
    """

    def __init__(self, places: Sequence[GroupPlace]) -> None:
        self._places = places
        self._own = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._own)
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on the processes; without this, registering would ask them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask every process; one that does not answer has no series."""
        with ThreadPoolExecutor(len(self._places)) as pool:
            texts = list(pool.map(_ask, self._places))
        joined: dict[str, Metric] = {}
        for place, text in zip(self._places, texts, strict=True):
            _join(joined, place.name, text_string_to_metric_families(text))
        _join(joined, "worker", self._own.collect())
        yield from joined.values()


def _join(joined: dict[str, Metric], name: str, found: Iterable[Metric]) -> None:
    for family in found:
        into = joined.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        for sample in family.samples:
            into.samples.append(sample._replace(labels=sample.labels | {LABEL: name}))


def _ask(place: GroupPlace) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(str(place.socket))
            with connection.makefile("rb") as answer:
                return answer.read().decode()
    except OSError as error:  # it starts, or has crashed and is started again
        log.debug("No metrics of %s: %s", place.name, error)
        return ""


def new_metrics_server(settings: Settings, number: int, place: GroupPlace | None) -> MetricsServer | MetricsSocket:
    """The server of this process's metrics: on its place's socket, else on the port that is set plus `number`."""
    return MetricsServer(settings.metrics, number) if place is None else MetricsSocket(place)
