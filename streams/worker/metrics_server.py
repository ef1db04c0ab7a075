"""The HTTP server with the metrics of one process for Prometheus, at ``/metrics`` on a port of its own."""

import asyncio
import errno
import logging
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from halt400.errors import SettingError
from streams.settings import MetricsSettings

__all__ = ["MetricsServer"]

log = logging.getLogger("halt400.worker")


class MetricsServer:
    """Serves this process's metrics from a thread.

    Parameters
    ----------
    place
        0 in the first process of a worker, 1 in the second: added to the port that is set.
    registry
        What is served.
    """

    def __init__(self, metrics: MetricsSettings, place: int, registry: CollectorRegistry = REGISTRY) -> None:
        self._metrics, self._place, self._registry = metrics, place, registry
        self._serving: tuple[WSGIServer, Thread] | None = None

    async def start(self) -> None:
        """As `listen`."""
        await asyncio.to_thread(self.listen)

    def listen(self) -> None:
        """Listen, if a port is set.

        Raises
        ------
        SettingError
            The port is in use, or the process cannot listen on it.
        """
        host, port = self._metrics.host, self._metrics.port
        if port is None:
            return
        wanted = port + self._place if port else 0
        try:
            self._serving = start_http_server(wanted, host, self._registry)
        except OSError as error:
            reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise SettingError(
                f"HALT400_METRICS_PORT={port}: {wanted} on {host} cannot be listened on ({reason}).",
                "Choose another; two workers on one machine need ports two apart. 0 takes any free one.",
            ) from error
        log.info("Metrics at http://%s:%s/metrics.", host, self._serving[0].server_port)

    async def stop(self) -> None:
        """As `close`."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Stop listening."""
        serving, self._serving = self._serving, None
        if serving is not None:
            server, thread = serving
            server.shutdown()
            thread.join()
            server.server_close()
