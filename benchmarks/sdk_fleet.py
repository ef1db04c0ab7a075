"""A fleet of scrapers: ``python -m benchmarks sdk_fleet [--client NAME] [--requests N] [--rate N]``.

For each client, eight processes (each with a browser of its own, or behind a mitmproxy of its own) send requests to one
target after the other, each at a steady rate, as a scraper that waits for its target does; each target is quarantined
while they send. The output says

- whether every response is on the topic once and only once, and how often a 400 was sent again, by clients that are
  told to retry it where they can be;
- "next refused": how long after the next request that is begun once the command was written this process refuses, this
  request or, where it was still let through, one after it; at p50, and at p99 of the process that is worst, which is
  judged;
- "refused": the same from the command on, with the wait for a request, which is a matter of the rate; and by when the
  command was acknowledged, and known in the process;
- "let through": how long after the command was written a request was begun that was not refused, at p99 of the process
  that is worst;
- how busy the processors were with all of it, scrapers, server and broker, and with what else ran. Where they have more
  to do than they can (``--rate 200``) the delays are those of a queue for a processor.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.pages import pages_server
from benchmarks.sdk_clients import CLIENTS
from benchmarks.sdk_fleet_proxy import mitmdump_path
from benchmarks.usage import machine_cpu_s, usage_of
from halt400.records import Command, Scope
from streams.local import LocalKafka
from streams.processing.envelopes import event_values
from streams.settings import KafkaSettings, load_settings
from streams.topics import apply_topics

__all__ = ["main"]

AIM_MS = 100.0
RATE = 25.0
DEADLINE_S = 120.0
PROCESSES = 8
ROUNDS = 100
RATES = {"playwright": 4.0, "mitmproxy": 16.0}
"""Requests a second of a process, where not 25: as many as leave a third of two processors free."""
FLEETS = (*(name for name in CLIENTS if "untraced" not in name), "scrapy", "mitmproxy")
MODULES = {"scrapy": "benchmarks.sdk_fleet_spider", "mitmproxy": "benchmarks.sdk_fleet_proxy"}


@dataclass
class _Process:
    """A scraper in a process of its own, and what it has told."""

    process: asyncio.subprocess.Process
    begun: int = -2
    known_at: dict[int, float] = field(default_factory=dict)
    refused_at: dict[int, float] = field(default_factory=dict)
    begun_at: dict[int, list[float]] = field(default_factory=dict)
    end: dict[str, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            self.begun = told.get("begun", self.begun)
            if "refused" in told:
                number = told["refused"]
                self.known_at[number], self.refused_at[number] = told["known_at"], told["at"]
                self.begun_at[number] = told["begun_at"]
            if "responses" in told:
                self.end = told
            self.news.set()
        self.news.set()

    async def stop(self) -> None:
        """Have it end, where it has not: see `benchmarks.sdk_fleet_process.end_with_parent`."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    async def until_begun(self, number: int) -> None:
        while self.begun < number:
            if self.process.returncode is not None:
                raise SystemExit(f"A process of the fleet ended early, with {self.process.returncode}.")
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


async def _quarantine_each(
    fleet: Sequence[_Process], kafka: KafkaSettings, rounds: int
) -> tuple[list[float], list[float]]:
    """Write a command for each target when every process sends to it; when it was written, and acknowledged."""
    written_at, acknowledged_at = [], []
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for number in range(rounds):
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*(one.until_begun(number) for one in fleet))
            command = _command(f"shop-{number}.example")
            written_at.append(time.time())
            await producer.send_and_wait(
                kafka.topic("control"), msgspec.json.encode(command), command.scope.id.encode()
            )
            acknowledged_at.append(time.time())
            if number % 25 == 24:
                print(f"  {number + 1} of {rounds} targets are quarantined", file=sys.stderr)
    return written_at, acknowledged_at


async def _fleet(
    client: str, url: str, kafka: KafkaSettings, *, processes: int, rounds: int, requests: int, rate: float
) -> dict[str, float]:
    os.environ["HALT400_KAFKA_TOPIC_PREFIX"] = kafka.topic_prefix
    await apply_topics(kafka)
    module = MODULES.get(client, "benchmarks.sdk_fleet_process")
    least = math.ceil(requests / processes / rounds)
    arguments = (sys.executable, "-m", module, client, url, str(rounds), str(least), str(rate))
    pipe = asyncio.subprocess.PIPE
    fleet = [
        _Process(await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)) for _ in range(processes)
    ]
    listening = [asyncio.create_task(one.listen()) for one in fleet]
    try:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(one.until_begun(-1) for one in fleet))
        began, cpu_began_s, all_began_s = time.monotonic(), usage_of(os.getpid()).cpu_s, machine_cpu_s()
        written_at, acknowledged_at = await _quarantine_each(fleet, kafka, rounds)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*listening, *(one.process.wait() for one in fleet))
    finally:
        for one in fleet:
            await one.stop()
    cpu_s, all_s = usage_of(os.getpid()).cpu_s - cpu_began_s, machine_cpu_s() - all_began_s
    capacity_s = (time.monotonic() - began) * (os.cpu_count() or 1)
    ids = await _ids_on_the_topic(kafka)
    known = [_delays(one.known_at, written_at) for one in fleet]
    refused = [_delays(one.refused_at, written_at) for one in fleet]
    next_refused = [_next_refused(one, written_at) for one in fleet]
    return {
        "responses": sum(one.end["responses"] for one in fleet),
        "on the topic": len(ids),
        "twice": len(ids) - len(set(ids)),
        "acknowledged p99 ms": _p99([(at - of) * 1000 for at, of in zip(acknowledged_at, written_at, strict=True)]),
        "known p50 ms": statistics.median(delay for one in known for delay in one),
        "known p99 ms": max(map(_p99, known)),
        "refused p50 ms": statistics.median(delay for one in refused for delay in one),
        "refused p99 ms": max(map(_p99, refused)),
        "next refused p50 ms": statistics.median(delay for one in next_refused for delay in one),
        "next refused p99 ms": max(map(_p99, next_refused)),
        "let through p99 ms": max(_p99(_let_through(one, written_at)) for one in fleet),
        "busy %": 100 * cpu_s / capacity_s,
        "busy with other work %": 100 * (all_s - cpu_s) / capacity_s,
    }


def _delays(at: dict[int, float], written_at: Sequence[float]) -> list[float]:
    return [(at[number] - written) * 1000 for number, written in enumerate(written_at)]


def _next_refused(one: _Process, written_at: Sequence[float]) -> list[float]:
    """How long after the next request was begun, after each command, this or a later one was refused.

    Where the request that was refused was begun before the command: how long after the command that was.
    """
    delays = []
    for number, written in enumerate(written_at):
        begun_at = next((begun for begun in one.begun_at[number] if begun >= written), written)
        delays.append((one.refused_at[number] - begun_at) * 1000)
    return delays


def _let_through(one: _Process, written_at: Sequence[float]) -> list[float]:
    """How long after each command the last request was begun that was not refused; 0 where none was."""
    begun_at = {number: ([written, *one.begun_at[number]])[-2] for number, written in enumerate(written_at)}
    return [max(0.0, delay) for delay in _delays(begun_at, written_at)]


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


async def _ids_on_the_topic(kafka: KafkaSettings) -> list[str]:
    topic, ids = kafka.topic("responses"), []
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    ids += [json.loads(one)["id"] for record in records for one in event_values(record.value)]
    return ids


def _is_good(found: dict[str, float]) -> bool:
    once = found["responses"] == found["on the topic"] and not found["twice"]
    return once and not found["sent again"] and found["next refused p99 ms"] <= AIM_MS


def main(arguments: list[str]) -> int:
    """Run it; exit code 1 where a response is missing or there twice, or a process refuses too late."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sdk_fleet", description=__doc__)
    parser.add_argument("--client", choices=FLEETS, action="append", help="only this one; may be repeated")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="scrapers, each a process")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="targets, quarantined one after the other")
    parser.add_argument("--requests", type=int, default=5_000, help="at least so many of all processes together")
    parser.add_argument("--rate", type=float, help=f"requests a second of each process; default: {RATE:g}, but {RATES}")
    options = parser.parse_args(arguments)
    good = True
    with LocalKafka() as broker, pages_server() as url:
        os.environ["HALT400_KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
        for number, client in enumerate(options.client or FLEETS):
            if client == "mitmproxy" and mitmdump_path() is None:
                print("mitmproxy is left out: set MITMDUMP to its path.", file=sys.stderr)
                continue
            kafka = load_settings().kafka.model_copy(update={"topic_prefix": f"fleet-{number}."})
            processes, rate = options.processes, options.rate or RATES.get(client, RATE)
            print(f"{client}: {processes} processes, {rate:g} requests a second each", file=sys.stderr)
            before = _hits(url)
            found = asyncio.run(
                _fleet(
                    client,
                    url,
                    kafka,
                    processes=processes,
                    rounds=options.rounds,
                    requests=options.requests,
                    rate=rate,
                )
            )
            found["sent again"] = _hits(url) - before - found["responses"]
            shown = ", ".join(f"{name}: {value:,.0f}" for name, value in found.items())
            print(f"{client:<16} processes: {processes}, rate: {rate:g}, {shown}", flush=True)
            good &= _is_good(found)
    return 0 if good else 1
