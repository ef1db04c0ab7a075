"""All of Halt400 on this machine, for `halt400 run`: start Kafka, topics and a worker, and stop them again."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from halt400.errors import LocalServiceError
from streams.api.server import base_url
from streams.local import LocalKafka
from streams.processes.supervised import SupervisedProcess
from streams.settings import Settings, load_settings
from streams.topics import apply_topics, check_topics

__all__ = ["local_stack"]

READY_DEADLINE_S = 90.0
POLL_S = 0.2


@contextmanager
def local_stack(console: Console) -> Iterator[Settings]:
    """Start a local Kafka, the topics and a worker; yield their settings, and stop all of it at the end.

    A cluster in HALT400_KAFKA_BOOTSTRAP_SERVERS is used as it is; otherwise a local Kafka is started, and removed at
    the end.

    Raises
    ------
    Halt400Error
        Kafka cannot be started, a topic differs, a port is in use, or the worker ended.
    """
    with ExitStack() as stack:
        if not os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS"):
            with console.status("Starting a local Kafka …"):
                broker = stack.enter_context(LocalKafka())
            os.environ["HALT400_KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
            stack.callback(os.environ.pop, "HALT400_KAFKA_BOOTSTRAP_SERVERS", None)
            console.print(f"[green]✓[/] Kafka at {broker.bootstrap_servers}, removed again at the end")
        settings = load_settings()
        created, _ = asyncio.run(apply_topics(settings.kafka))
        asyncio.run(check_topics(settings.kafka))
        console.print(f"[green]✓[/] topics {settings.kafka.topic('*')}, {len(created)} of them made just now")
        log = Path(tempfile.mkdtemp(prefix="halt400-")) / "worker.log"
        worker = SupervisedProcess([sys.executable, "-m", "halt400", "worker", "--processes", "1"], log)
        stack.callback(worker.stop)
        with console.status("Starting a worker …"):
            _await_ready(worker, base_url(settings.api.host, settings.api.port))
        console.print(f"[green]✓[/] worker, its log in {log}")
        yield settings


def _await_ready(worker: SupervisedProcess, url: str) -> None:
    end = time.monotonic() + READY_DEADLINE_S
    while True:
        if not worker.running:
            raise LocalServiceError(
                f"The worker ended with code {worker.wait()}: {worker.log_tail(1)}", f"Read {worker.log_path}."
            )
        try:
            if "Ready:" in worker.log_tail(200) and httpx.get(f"{url}/readyz", timeout=2.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            raise LocalServiceError(
                f"The worker was not ready within {READY_DEADLINE_S:g} s: {worker.log_tail(3)}",
                f"Read {worker.log_path}.",
            )
        time.sleep(POLL_S)
