"""A fleet of scrapers: ``python -m benchmarks sdk_fleet [--client NAME] [--processes N] [--rounds N]``.

For each client, eight processes send requests to one target after the other; each target is quarantined while they do.
How long after the command was written each process refuses, with the pause of 5 ms between two requests; whether every
response is on the topic once and only once; and whether a 400 was sent again, by clients that are told to retry it.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
import urllib.request
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.pages import pages_server
from benchmarks.sdk_clients import CLIENTS
from halt400.records import Command, Scope
from streams.local import LocalKafka
from streams.settings import KafkaSettings, load_settings
from streams.topics import apply_topics

__all__ = ["main"]

AIM_MS = 100.0
DEADLINE_S = 120.0


@dataclass
class _Process:
    """A scraper in a process of its own, and what it has told."""

    process: asyncio.subprocess.Process
    begun: int = -1
    refused_at: list[float] = field(default_factory=list)
    end: dict[str, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            self.begun = told.get("begun", self.begun)
            if "refused" in told:
                self.refused_at.append(told["at"])
            if "flushed" in told:
                self.end = told
            self.news.set()

    async def until_begun(self, number: int) -> None:
        while self.begun < number:
            self.news.clear()
            await self.news.wait()


def _command(target: str) -> Command:
    now_ms = int(time.time() * 1000)
    return Command(
        command_id=f"c-{target}-{now_ms}",
        scope=Scope(kind="target", target=target),
        sequence=now_ms,
        state="quarantined",
        reason="400 Bad Request",
        issued_by="benchmark",
        opened_at=now_ms,
        issued_at=now_ms,
        expires_at=now_ms + 600_000,
    )


def _hits(url: str) -> int:
    """The requests that the server has had so far."""
    with urllib.request.urlopen(f"{url}/hits") as response:
        return int(response.read())


async def _fleet(client: str, url: str, kafka: KafkaSettings, processes: int, rounds: int) -> dict[str, float]:
    os.environ["HALT400_KAFKA_TOPIC_PREFIX"] = kafka.topic_prefix
    await apply_topics(kafka)
    arguments = (sys.executable, "-m", "benchmarks.sdk_fleet_process", client, url, str(rounds))
    fleet = [
        _Process(await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE))
        for _ in range(processes)
    ]
    listening = [asyncio.create_task(one.listen()) for one in fleet]
    written_at = []
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for number in range(rounds):
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*(one.until_begun(number) for one in fleet))
            command = _command(f"shop-{number}")
            written_at.append(time.time())
            await producer.send_and_wait(
                kafka.topic("control"), msgspec.json.encode(command), command.scope.id.encode()
            )
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*listening, *(one.process.wait() for one in fleet))
    delays = [
        [(refused - written) * 1000 for refused, written in zip(one.refused_at, written_at, strict=True)]
        for one in fleet
    ]
    ids = await _ids_on_the_topic(kafka)
    responses = sum(one.end["responses"] for one in fleet)
    return {
        "responses": responses,
        "on the topic": len(ids),
        "twice": len(ids) - len(set(ids)),
        "p50 ms": statistics.median(delay for one in delays for delay in one),
        "p99 ms, worst process": max(statistics.quantiles(one, n=100, method="inclusive")[98] for one in delays),
    }


async def _ids_on_the_topic(kafka: KafkaSettings) -> list[str]:
    topic, ids = kafka.topic("responses"), []
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    ids += [json.loads(record.value)["id"] for record in records]
    return ids


def main(arguments: list[str]) -> int:
    """Run it; exit code 1 where a response is missing or there twice, or a process refuses too late."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sdk_fleet", description=__doc__)
    parser.add_argument("--client", choices=CLIENTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=100, help="targets that are quarantined, one after the other")
    options = parser.parse_args(arguments)
    good = True
    with LocalKafka() as broker, pages_server() as url:
        os.environ["HALT400_KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
        for number, client in enumerate(options.client or CLIENTS):
            kafka = load_settings().kafka.model_copy(update={"topic_prefix": f"fleet-{number}."})
            before = _hits(url)
            found = asyncio.run(_fleet(client, url, kafka, options.processes, options.rounds))
            found["sent again"] = _hits(url) - before - found["responses"]
            print(f"{client:<16} " + ", ".join(f"{name}: {value:,.0f}" for name, value in found.items()), flush=True)
            good &= found["responses"] == found["on the topic"] and not found["twice"] and not found["sent again"]
            good &= found["p99 ms, worst process"] <= AIM_MS
    return 0 if good else 1
