"""Watches a campaign from outside, and reads at its end what it left behind: topics, archive, answers, commits."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chaos.history import (
    ArchiveListing,
    CommitSample,
    GateEvent,
    History,
    LogRecord,
    QuarantinesAnswer,
    ReadableEnds,
    RowsAnswer,
    WorkerEnd,
)
from chaos.stage import BUCKET, STORM_KEEP, CampaignStage
from chaos.worker import WorkerProcess
from streams.archive.object_names import MANIFEST
from streams.archive.sampling import decode_manifest
from streams.topics import ONE_PARTITION, declarations

__all__ = ["CampaignObserver"]

SAMPLE_S = 1.0
READABLE_S = 0.25
LISTING_S = 10.0
GROUP_OF = {"responses": "worker", "operations": "worker", "offences": "follow-up", "control": "follow-up"}
MUST_BE_DURABLE = ("rates", "offences")
SHOWN = ("rates", "control", "alerts")
MOVED = re.compile(r"^(\S+ \S+) INFO +halt400.worker: Rebalance begun: .*control.* revoked", re.MULTILINE)
ENDS = re.compile(r"The worker ends: (\w+): (.*)")
COMPLAINT = re.compile("Traceback|never retrieved|was destroyed")
_decode_line = msgspec.json.Decoder(GateEvent).decode


class CampaignObserver:
    """Fills a `History`. What fails while faults run, such as a broker that does not answer, is tried again later."""

    def __init__(self, stage: CampaignStage) -> None:
        self._stage, self._kafka = stage, stage.direct
        self.history = History(prefix=stage.direct.topic_prefix, partitions=stage.direct.partitions)
        self.history.storm_keep, self.history.pages = STORM_KEEP, stage.pager.pages
        self.peak_rss_bytes = self.peak_descriptors = 0
        self.longest_wait_s = 0.0

    async def watch(self) -> None:
        """Take samples until cancelled."""
        await asyncio.gather(
            self._watch_commits(),
            self._watch_readable(),
            self._watch_answers(),
            self._watch_archive(),
            self._watch_memory(),
            self._watch_itself(),
        )

    async def _watch_commits(self) -> None:
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                async with _clients(self._kafka.bootstrap_servers) as (admin, consumer):
                    while True:
                        await self._sample_commits(admin, consumer)
                        await asyncio.sleep(SAMPLE_S)
            await asyncio.sleep(SAMPLE_S)

    async def _sample_commits(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        committed = await self.committed(admin, ["responses"])
        tps = self._partitions(MUST_BE_DURABLE)
        ends = await asyncio.wait_for(consumer.end_offsets(tps), 5.0)
        at_ms = int(time.time() * 1000)
        for (topic, partition), offset in committed.items():
            known = {name: ends[self._tp(name, partition)] for name in MUST_BE_DURABLE}
            self.history.commits.append(CommitSample(at_ms, topic, partition, offset, known))

    async def _watch_readable(self) -> None:
        tps = self._partitions(SHOWN)
        names = {self._tp(topic, number): topic for topic in SHOWN for number in range(self._kafka.partitions)}
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                async with _clients(self._kafka.bootstrap_servers) as (_, consumer):
                    while True:
                        ends = await asyncio.wait_for(consumer.end_offsets(tps), 5.0)
                        known = {(names[tp], tp.partition): end for tp, end in ends.items()}
                        self.history.readable.append(ReadableEnds(int(time.time() * 1000), known))
                        await asyncio.sleep(READABLE_S)
            await asyncio.sleep(SAMPLE_S)

    async def committed(self, admin: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """What the groups have committed of some topics; 0 where nothing."""
        found: dict[tuple[str, int], int] = {}
        for topic in topics:
            tps = self._partitions([topic])
            answer = admin.list_consumer_group_offsets(self._kafka.topic(GROUP_OF[topic]), partitions=tps)
            for tp, offset in (await asyncio.wait_for(answer, 5.0)).items():
                found[topic, tp.partition] = max(0, offset.offset)
        return found

    async def _watch_answers(self) -> None:
        async with httpx.AsyncClient(timeout=3.0) as client:
            while True:
                for worker in self._stage.workers:
                    url = worker.api_url
                    with suppress(httpx.HTTPError, msgspec.MsgspecError, KeyError):
                        if url is not None:
                            await self._ask(client, worker, url)
                await asyncio.sleep(SAMPLE_S)

    async def _ask(self, client: httpx.AsyncClient, worker: WorkerProcess, url: str) -> None:
        """Ask for quarantines and rows; `as_of` is by the worker's clock, and is kept by this machine's."""
        shift_s, asked_ms = worker.clock.shift_s, int(time.time() * 1000)
        states = "state=quarantined&state=probing&state=released"
        page = (await client.get(f"{url}/v1/quarantines?{states}&expired=true&limit=1000")).raise_for_status().json()
        if page["total"] <= page["limit"]:
            scopes = {
                one["id"]: (one["sequence"], one["state"], (one["not_sent"] or {"requests": 0})["requests"])
                for one in page["quarantines"]
            }
            as_of_ms = page["as_of"] - int(shift_s * 1000)
            if shift_s == worker.clock.shift_s:
                answer = QuarantinesAnswer(worker.name, as_of_ms, scopes, asked_ms, page["stale"])
                self.history.quarantine_answers.append(answer)
        asked_ms = int(time.time() * 1000)
        page = (await client.get(f"{url}/v1/targets?limit=1000")).raise_for_status().json()
        if page["total"] <= page["limit"] and shift_s == worker.clock.shift_s:
            targets = {one["target"]: one["totals"]["responses"] for one in page["targets"]}
            as_of_ms = page["as_of"] - int(shift_s * 1000)
            self.history.rows_answers.append(RowsAnswer(worker.name, as_of_ms, targets, asked_ms, page["stale"]))

    async def _watch_archive(self) -> None:
        while True:
            await asyncio.sleep(LISTING_S)
            with suppress(KafkaError, OSError, TimeoutError):
                async with _clients(self._kafka.bootstrap_servers) as (admin, _):
                    committed = await self.committed(admin, ["offences"])
                keys = await asyncio.to_thread(self._keys)
                by_partition = {partition: offset for (_, partition), offset in committed.items()}
                self.history.listings.append(ArchiveListing(int(time.time() * 1000), by_partition, keys))

    async def _watch_memory(self) -> None:
        while True:
            for worker in self._stage.regular:
                rss, descriptors = await asyncio.to_thread(worker.measure)
                self.peak_rss_bytes = max(self.peak_rss_bytes, rss)
                self.peak_descriptors = max(self.peak_descriptors, descriptors)
            await asyncio.sleep(SAMPLE_S)

    async def _watch_itself(self) -> None:
        """How late this process gets a processor: where it is seconds, faults last longer than their schedule says."""
        while True:
            due = time.monotonic() + READABLE_S
            await asyncio.sleep(READABLE_S)
            self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - due)

    async def lag(self) -> dict[str, int]:
        """Records of each input topic that are not committed."""
        async with _clients(self._kafka.bootstrap_servers) as (admin, consumer):
            committed = await self.committed(admin, GROUP_OF)
            ends = await consumer.end_offsets(self._partitions(GROUP_OF))
        lag = dict.fromkeys(GROUP_OF, 0)
        for (topic, partition), offset in committed.items():
            lag[topic] += ends[self._tp(topic, partition)] - offset
        return lag

    async def read_all(self) -> None:
        """Read everything that a campaign leaves behind."""
        history, prefix = self.history, self._kafka.topic_prefix
        async with _clients(self._kafka.bootstrap_servers) as (admin, consumer):
            for declared in declarations(self._kafka):
                name = declared.name.removeprefix(prefix)
                history.topics[name] = await self._read(consumer, name)
            history.committed = await self.committed(admin, ("responses", "operations", "offences"))
        history.objects = await asyncio.to_thread(self._keys)
        manifests = [key for key in history.objects if key.endswith(MANIFEST)]
        history.manifests = await asyncio.to_thread(self._read_manifests, manifests)
        history.scrapers = _read_scrapers(self._stage.directory)
        history.complaints = _read_complaints(self._stage.directory)
        logs = [worker.log_text() for worker in self._stage.workers]
        history.moved_ms = [_at_ms(found) for log in logs for found in MOVED.findall(log)]
        history.ends = [
            WorkerEnd(worker.name, *found)
            for worker in self._stage.workers
            for found in ENDS.findall(worker.log_text())
        ]

    async def remember(self, topic: str, partition: int) -> None:
        """Read a partition of which the records are about to be deleted."""
        async with _clients(self._kafka.bootstrap_servers) as (_, consumer):
            found = [one for one in await self._read(consumer, topic) if one.partition == partition]
        deleted = self.history.deleted.setdefault(topic, [])
        known = {(one.partition, one.offset) for one in deleted}
        deleted += [one for one in found if (one.partition, one.offset) not in known]

    async def _read(self, consumer: AIOKafkaConsumer, topic: str) -> list[LogRecord]:
        tps = self._partitions([topic])
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        records: list[LogRecord] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += [
                    LogRecord(one.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
                    for one in found
                ]
        records.sort(key=lambda record: (record.partition, record.offset))
        return records

    def _partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [
            self._tp(topic, number)
            for topic in topics
            for number in range(1 if topic in ONE_PARTITION else self._kafka.partitions)
        ]

    def _tp(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._kafka.topic(topic), partition)

    def _keys(self) -> frozenset[str]:
        client = self._stage.s3.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return frozenset(one["Key"] for page in pages for one in page.get("Contents", ()))

    def _read_manifests(self, keys: list[str]) -> dict:
        client = self._stage.s3.client()
        return {key: decode_manifest(client.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys}


def _read_scrapers(directory: Path) -> dict[str, list[GateEvent]]:
    """The histories; the last line of a scraper that was killed may be cut off."""
    found: dict[str, list[GateEvent]] = {}
    for path in sorted(directory.glob("scraper*.jsonl")):
        lines = path.read_bytes().split(b"\n")[:-1]
        found[path.stem] = [_decode_line(line) for line in lines]
    return found


def _read_complaints(directory: Path) -> dict[str, list[str]]:
    """What scrapers wrote to their logs that looks like an exception."""
    logs = {path.stem: path.read_text(errors="replace").splitlines() for path in sorted(directory.glob("scraper*.log"))}
    return {name: [line for line in lines if COMPLAINT.search(line)] for name, lines in logs.items()}


@asynccontextmanager
async def _clients(bootstrap_servers: str) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5_000)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        request_timeout_ms=5_000,
        max_poll_records=10_000,
        max_partition_fetch_bytes=16 << 20,
    )
    try:
        await admin.start()
        await consumer.start()
        yield admin, consumer
    finally:
        await consumer.stop()
        await admin.close()


def _at_ms(text: str) -> int:
    """The time of a line of a worker's log."""
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp() * 1000)
