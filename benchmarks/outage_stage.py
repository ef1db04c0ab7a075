"""The stage of `benchmarks.outage`: a worker on Kafka and S3, steady traffic, and what comes of it from outside."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr

from benchmarks.events import Generated, generate
from benchmarks.outside import log_end, records_of
from halt400.records import Command, Offence, Source
from halt400.start_stop import StartStop
from streams import topics
from streams.archive import Archive, open_archive
from streams.archive.expected import ExpectedArchive
from streams.archive.object_names import MANIFEST, object_key
from streams.archive.sampling import OffenceSampler, decode_manifest
from streams.local import LocalS3
from streams.settings import ArchiveSettings, KafkaSettings

__all__ = ["Accounts", "Heard", "SlowProxy", "Stage", "Worker"]

BUCKET = "evidence"
_LEFTOVER = re.compile(r"\.(har|json)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
STOP_S = 90


class _Place(msgspec.Struct, gc=False):
    source: Source


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_offence = msgspec.json.Decoder(Offence).decode
_decode_command = msgspec.json.Decoder(Command).decode


@dataclass
class Heard:
    """When what followed from a 400 was sent: (time of the 400, latency) in seconds, the first of each offence only."""

    offences: list[tuple[float, float]] = field(default_factory=list)
    commands: list[tuple[float, float]] = field(default_factory=list)


class Worker:
    """`halt400 worker` with its follow-up process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.peak_rss: dict[str, int] = {}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "halt400", "worker", "--processes", "1"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def works(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL both processes."""
        for pid in [self.process.pid, *(pid for pid, _ in self._follow_up())]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def measure(self) -> None:
        """Note the resident memory of both processes; `peak_rss` keeps the highest, in bytes."""
        with suppress(OSError):
            own = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            for role, pages in (("detect", own), *(("follow_up", pages) for _, pages in self._follow_up())):
                self.peak_rss[role] = max(self.peak_rss.get(role, 0), pages * os.sysconf("SC_PAGE_SIZE"))

    def _follow_up(self) -> list[tuple[int, int]]:
        """Id and resident pages of the follow-up process: the worker's child, or a guard's that is one."""
        parents: dict[int, int] = {}
        pages: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if b"follow-up" in (stat.parent / "cmdline").read_bytes():
                    pages[int(stat.parent.name)] = int((stat.parent / "statm").read_text().split()[1])
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        ours = {self.process.pid}
        for _ in range(3):
            ours |= {pid for pid, parent in parents.items() if parent in ours}
        return [(pid, pages[pid]) for pid in ours - {self.process.pid} if pid in pages]


@dataclass
class Accounts:
    """What the archive holds beside what the log of offences says that it must hold.

    `server_leftovers` are S3Proxy's own temporary files of uploads during which it was killed.
    """

    offences: int = 0
    expected: int = 0
    kept: int = 0
    sampled_out: int = 0
    missing: int = 0
    surplus: int = 0
    wrong_manifests: int = 0
    server_leftovers: int = 0
    samples: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether every offence is archived once, or counted as left out."""
        return (
            self.offences == self.expected == self.kept + self.sampled_out
            and not self.missing
            and not self.surplus
            and not self.wrong_manifests
        )


@dataclass
class Stage:
    """One worker, its topics and its bucket.

    Parameters
    ----------
    storm_keep
        As the worker has it; None keeps every one.
    manifest_interval_s
        As the worker has it.
    targets
        How many there are; the archive writes a manifest for each that has 400s.
    endpoint_url
        Where the worker finds S3, if not at `s3` itself.
    """

    kafka: KafkaSettings
    s3: LocalS3
    directory: Path
    storm_keep: int | None = 20
    manifest_interval_s: float = ArchiveSettings.model_fields["manifest_interval_s"].default
    targets: int = 1_000
    endpoint_url: str | None = None

    @property
    def archive_settings(self) -> ArchiveSettings:
        """The archive, past whatever stands between it and the worker."""
        return ArchiveSettings(
            uri=f"s3://{BUCKET}/{self.kafka.topic_prefix}",
            endpoint_url=self.s3.endpoint_url,
            access_key_id=self.s3.access_key,
            secret_access_key=SecretStr(self.s3.secret_key),
        )

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker; what is left of it at the end is killed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")} | {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(self.kafka.partitions),
            "HALT400_KAFKA_SESSION_TIMEOUT_S": "6",
            "HALT400_ARCHIVE_URI": self.archive_settings.uri,
            "HALT400_ARCHIVE_ENDPOINT_URL": self.endpoint_url or self.s3.endpoint_url,
            "HALT400_ARCHIVE_ACCESS_KEY_ID": self.s3.access_key,
            "HALT400_ARCHIVE_SECRET_ACCESS_KEY": self.s3.secret_key,
            "HALT400_ARCHIVE_STORM_KEEP": str(self.storm_keep or 0),
            "HALT400_ARCHIVE_MANIFEST_INTERVAL_S": str(self.manifest_interval_s),
            "HALT400_ARCHIVE_REDACTION_KEY": "the key of the outage benchmark",
            "HALT400_API_PORT": "0",
        }
        worker = Worker(environment, self.directory / "worker.log")
        try:
            yield worker
        finally:
            if worker.works:
                worker.kill()

    async def publish(self, seconds: float, per_s: int, bad_request_ratio: float, seed: int) -> int:
        """Publish events at the pace of their own times; how many of them were 400s."""
        start = time.time()
        events = generate(
            int(seconds * per_s),
            targets=self.targets,
            bad_request_ratio=bad_request_ratio,
            seed=seed,
            start_ms=int(start * 1000),
            events_per_s=per_s,
        )
        producer = AIOKafkaProducer(**self.kafka.connection.client_options(), acks="all", linger_ms=5)
        await producer.start()
        sent = bad_requests = 0
        sends: list[asyncio.Future[object]] = []
        try:
            while some := list(islice(events, max(1, per_s // 100))):
                sent += len(some)
                await asyncio.sleep(max(0.0, start + sent / per_s - time.time()))
                sends += [await self._send(producer, event) for event in some]
                bad_requests += sum(event.status == 400 for event in some)
                if len(sends) > 10_000:
                    await asyncio.gather(*sends)
                    sends.clear()
            await asyncio.gather(*sends)
        finally:
            await producer.stop()
        return bad_requests

    async def _send(self, producer: AIOKafkaProducer, event: Generated) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await producer.send(
            self.kafka.topic(topics.RESPONSES), event.value, key=event.key
        )
        return future

    async def heard(self) -> Heard:
        """Latencies by the logs' own times: from the broker's append of a 400 to the worker's sending of what followed.

        Neither the publisher's delays nor those of a consumer are in them. All clocks are this machine's.
        """
        heard = Heard()
        appended = {
            (record.partition, record.offset): record.timestamp
            for record in await records_of(self.kafka, self.kafka.topic(topics.RESPONSES))
            if b'"status":400' in (record.value or b"")
        }
        seen: set[Source] = set()
        for record in await records_of(self.kafka, self.kafka.topic(topics.OFFENCES)):
            source = _decode_place(record.value or b"").source
            if source not in seen:
                seen.add(source)
                at = appended[source.partition, source.offset]
                heard.offences.append((at / 1000, (record.timestamp - at) / 1000))
        for record in await records_of(self.kafka, self.kafka.topic(topics.CONTROL)):
            cause = _decode_command(record.value).source if record.value is not None else None
            if cause is not None and cause in seen:
                at = appended[cause.partition, cause.offset]
                heard.commands.append((at / 1000, (record.timestamp - at) / 1000))
        return heard

    async def committed(self) -> bool:
        """Whether every offence is archived and counted, as far as the follow-up group has committed."""
        consumer = AIOKafkaConsumer(
            **self.kafka.connection.client_options(), group_id=self.kafka.topic("follow-up"), enable_auto_commit=False
        )
        await consumer.start()
        try:
            tps = [TopicPartition(self.kafka.topic(topics.OFFENCES), n) for n in range(self.kafka.partitions)]
            ends = await consumer.end_offsets(tps)
            return all([(await consumer.committed(tp) or 0) >= ends[tp] for tp in tps])
        finally:
            await consumer.stop()

    async def offences(self) -> int:
        """Number of records on the log of offences."""
        return await log_end(self.kafka, self.kafka.topic(topics.OFFENCES))

    async def accounts(self, expected: int) -> Accounts:
        """Compare the bucket with the log of offences, object by object and count by count."""
        topic, found = self.kafka.topic(topics.OFFENCES), Accounts(expected=expected)
        expected_archive, kept = ExpectedArchive(topic, storm_keep=self.storm_keep), set[str]()
        for record in await records_of(self.kafka, topic):
            offence = _decode_offence(record.value or b"")
            _, is_kept = expected_archive.add(record.partition, offence)
            found.offences += is_kept is not None
            if is_kept:
                kept.add(object_key(offence.source, offence.target, offence.event.time))
        archive = open_archive(self.archive_settings)
        keys = set(await asyncio.to_thread(lambda: list(archive.keys(""))))
        objects = {key for key in keys if not key.endswith(MANIFEST)}
        found.kept, found.sampled_out = len(kept), found.offences - len(kept)
        leftovers = {key for key in objects if _LEFTOVER.search(key)}
        keys, objects = keys - leftovers, objects - leftovers
        found.server_leftovers = len(leftovers)
        found.missing, found.surplus = len(kept - objects), len(objects - kept)
        found.samples = sorted(kept ^ objects)[:5]
        samplers = expected_archive.samplers
        wrong = await asyncio.gather(*(asyncio.to_thread(_differs, archive, key, samplers[key]) for key in samplers))
        found.wrong_manifests = sum(wrong) + len(keys - objects - samplers.keys())
        return found


def _differs(archive: Archive, key: str, sampler: OffenceSampler) -> bool:
    stored = archive.read_with_tag(key)
    return stored is None or decode_manifest(stored[0]) != sampler.manifest()


class SlowProxy(StartStop):
    """A connection to S3 whose uploads take `delay_s` longer; `uploads` has the time of each one of evidence."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._port, self._delay_s = port, delay_s
        self.uploads: list[float] = []
        self.at_once = self.most_at_once = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Listen no more."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(
                self._requests(reader, to_upstream, state := _Exchange()), self._answers(upstream, writer, state)
            )
        except OSError:
            writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "_Exchange") -> None:
        while data := await reader.read(65536):
            if data.startswith((b"PUT ", b"GET ", b"HEAD ", b"POST ")):
                state.started, state.line = time.monotonic(), data.partition(b"\r\n")[0]
                if state.is_upload:
                    self.at_once += 1
                    self.most_at_once = max(self.most_at_once, self.at_once)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "_Exchange") -> None:
        while data := await reader.read(65536):
            if state.is_upload:
                await asyncio.sleep(max(0.0, state.started + self._delay_s - time.monotonic()))
                self.at_once -= 1
                if b".har" in state.line:
                    self.uploads.append(time.monotonic())
                state.line = b""
            writer.write(data)
            await writer.drain()
        writer.close()


class _Exchange:
    started = 0.0
    line = b""

    @property
    def is_upload(self) -> bool:
        return self.line.startswith(b"PUT ")
