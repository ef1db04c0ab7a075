"""Everything that a campaign runs: brokers, workers, scrapers, S3, pager, and the links between them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaProducer

from chaos.brokers import Brokers, all_of
from chaos.links import Link
from chaos.pager import PagerServer
from chaos.schedule import SESSION_S
from chaos.worker import WorkerProcess
from halt400.operations import OperationPublisher
from streams.local import LocalS3
from streams.local.ports import HOST, free_ports
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["BUCKET", "PARTITIONS", "CampaignStage"]

BUCKET = "evidence"
PREFIX = "chaos."
PARTITIONS = 6
STORM_KEEP = 5
SCRAPER_STARTS_S = 30.0
SCRAPER_ENDS_S = 180.0
PORTS = range(12_000, 20_000)
"""Ports that no other local server picks: a broker that was killed finds its own free."""
POLICIES = """\
[defaults]
policy = "strict"
hold_s = 3
hold_cap_s = 8
lease_s = 2
expiry_grace_s = 6

[alerts.sink.pager]
kind = "webhook"
url = "{url}"
secret_env = "PAGER_SECRET"
timeout_s = 2

[[alerts.route]]
name = "all"
sinks = ["pager"]
group_wait_s = 0
group_interval_s = 1
"""


class CampaignStage:
    """Starts and stops all of it; `direct` is how the campaign itself reaches Kafka."""

    def __init__(
        self,
        directory: Path,
        seed: int,
        *,
        workers: int,
        scrapers: int,
        per_s: float,
        processes: int = 1,
        small_disks: bool = False,
        earlier: Path | None = None,
    ) -> None:
        self.directory, self._seed, self._per_s, self.processes = directory, seed, per_s, processes
        self.earlier = earlier
        worker_names = [f"worker{n}" for n in range(workers + 1)]
        self._scraper_names = [f"scraper{n}" for n in range(scrapers)]
        clients = [*worker_names, *self._scraper_names]
        s3_port, self._s3_link_port, *ports = free_ports(2 + Brokers.ports_of(len(clients)), PORTS)
        self.brokers = Brokers(directory, clients, ports, small_disks=small_disks)
        self.direct = KafkaSettings(
            bootstrap_servers=self.brokers.bootstrap_servers(),
            topic_prefix=PREFIX,
            partitions=PARTITIONS,
            replication_factor=3,
        )
        self.s3, self.pager = LocalS3(s3_port), PagerServer()
        self.s3_link: Link | None = None
        self.workers: list[WorkerProcess] = []
        self._worker_names = worker_names
        self._scrapers: dict[int, subprocess.Popen[bytes]] = {}
        self._births: list[int] = [0] * scrapers
        self._histories: dict[int, Path] = {}
        self.producer: AIOKafkaProducer | None = None
        self.operations = OperationPublisher(self.direct.connection)

    async def start(self) -> None:
        """Start all and wait until a worker is ready."""
        await self.pager.start()
        await all_of(self.brokers.start(), asyncio.to_thread(self.s3.start))
        await asyncio.to_thread(self.s3.create_bucket, BUCKET)
        self.s3_link = Link(self._s3_link_port, self.s3.port)
        await self.s3_link.start()
        await apply_topics(self.direct)
        self.producer = AIOKafkaProducer(
            **self.direct.connection.client_options(), linger_ms=5, max_request_size=16 << 20
        )
        await self.producer.start()
        (self.directory / "halt400.toml").write_text(POLICIES.format(url=self.pager.url))
        self.workers = [
            WorkerProcess(name, self.environment(name), self.directory, self.processes, self.earlier)
            for name in self._worker_names
        ]
        for worker in self.workers[:-1]:
            worker.start()
        for number in range(len(self._scraper_names)):
            self.start_scraper(number)

    @property
    def spare(self) -> WorkerProcess:
        """The worker that runs during a rebalance storm only."""
        return self.workers[-1]

    @property
    def regular(self) -> list[WorkerProcess]:
        """The workers that are always to run."""
        return self.workers[:-1]

    @property
    def scrapers(self) -> int:
        """How many scrapers there are."""
        return len(self._scraper_names)

    def environment(self, client: str) -> dict[str, str]:
        """What a worker is started with that reaches Kafka as this client."""
        assert self.s3_link is not None
        return self._bare_environment(client) | {
            "HALT400_KAFKA_PARTITIONS": str(PARTITIONS),
            "HALT400_KAFKA_REPLICATION_FACTOR": "3",
            "HALT400_KAFKA_SESSION_TIMEOUT_S": f"{SESSION_S:g}",
            "HALT400_ARCHIVE_URI": f"s3://{BUCKET}",
            "HALT400_ARCHIVE_ENDPOINT_URL": f"http://{HOST}:{self.s3_link.port}",
            "HALT400_ARCHIVE_REGION": self.s3.region,
            "HALT400_ARCHIVE_ACCESS_KEY_ID": self.s3.access_key,
            "HALT400_ARCHIVE_SECRET_ACCESS_KEY": self.s3.secret_key,
            "HALT400_ARCHIVE_STORM_KEEP": str(STORM_KEEP),
            "HALT400_ARCHIVE_MANIFEST_INTERVAL_S": "1",
            "HALT400_ARCHIVE_REDACTION_KEY": "the same for every worker of the campaign",
            "HALT400_API_PORT": "0",
            "HALT400_CONFIG_PATH": str(self.directory / "halt400.toml"),
            "PAGER_SECRET": "a secret of this campaign",
        }

    def _bare_environment(self, client: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}
        return own | {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.brokers.bootstrap_servers(client),
            "HALT400_KAFKA_TOPIC_PREFIX": PREFIX,
        }

    def start_scraper(self, number: int) -> None:
        """Start a scraper with a history of its own."""
        birth = self._births[number]
        self._births[number] += 1
        name = self._scraper_names[number]
        history = self._histories[number] = self.directory / f"{name}-{birth}.jsonl"
        command = [sys.executable, "-m", "chaos.scraper_process", history, self._seed + birth, number, self._per_s]
        environment = self._bare_environment(name)
        if self.earlier is not None:
            environment["HALT400_ENVELOPES"] = "false"  # The first workers refuse arrays of events.
        with (self.directory / f"{name}.log").open("ab") as log:
            self._scrapers[number] = subprocess.Popen(
                list(map(str, command)), env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def kill_scraper(self, number: int) -> None:
        """SIGKILL a scraper."""
        self._scrapers[number].kill()
        self._scrapers[number].wait()

    async def stop_scrapers(self) -> None:
        """Let each scraper flush and end.

        Raises
        ------
        RuntimeError
            One ended by an error.
        """
        deadline = time.monotonic() + SCRAPER_STARTS_S
        # One that has a history takes signals.
        while any(not path.exists() for path in self._histories.values()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for scraper in self._scrapers.values():
            scraper.send_signal(signal.SIGTERM)
        codes = [await asyncio.to_thread(scraper.wait, SCRAPER_ENDS_S) for scraper in self._scrapers.values()]
        if any(codes):
            logs = "".join(path.read_text()[-2000:] for path in self.directory.glob("scraper*.log"))
            raise RuntimeError(f"The scrapers ended with {codes}:\n{logs}")

    def links_of(self, client: str) -> list[Link]:
        """The links of one client, one to each broker."""
        return self.brokers.links[client]

    async def stop(self) -> None:
        """Kill what still runs; each part, whatever happens with the others."""
        async with AsyncExitStack() as parts:
            parts.push_async_callback(self.brokers.stop)
            parts.push_async_callback(self.pager.stop)
            parts.push_async_callback(asyncio.to_thread, self.s3.stop)
            if self.s3_link is not None:
                parts.push_async_callback(self.s3_link.stop)
            if self.producer is not None:
                parts.push_async_callback(self.producer.stop)
            parts.push_async_callback(self.operations.stop)
            for number in self._scrapers:
                parts.callback(self.kill_scraper, number)
            for worker in self.workers:
                parts.callback(worker.kill)
