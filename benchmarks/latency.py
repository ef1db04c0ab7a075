"""From a broken request's response on Kafka to its job halted: ``python -m benchmarks latency [--rate 5000]``.

A worker runs on a real Kafka under steady traffic of successes from a process of its own. Into it go 400s, each of a
target and a job that had none, by a producer that waits for nothing; a gate in this process notes when it refuses the
job. The time goes from before the record is given to the producer to the gate's refusal, so it has the way to the
broker in it. The first 400 after "Ready" is listed by itself.

The way is taken apart at two points: the broker's acknowledgement to the producer, and ``issued_at`` of the command,
when its worker began to apply the 400 (whole milliseconds of one machine's clock).

``--rate 25000`` is half of what a worker counts on two cores; ``--bad-request-ratio 0.2`` makes the traffic itself a
storm. ``--idle`` measures what the worker costs without traffic.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.events import generate
from benchmarks.usage import usage_of
from halt400.gate import Gate
from halt400.records import Command, Request, Response, ResponseEvent
from streams.local import LocalKafka
from streams.processes import SupervisedProcess
from streams.settings import KafkaSettings
from streams.topics import apply_topics, partition_of

__all__ = ["PREFIX", "Halted", "main", "probe", "ready_worker"]

PREFIX = "latency."
STEP_S = 0.01
MOST_AT_ONCE = 1_000
"""Events of one step: more on one partition would not fit into a batch."""
DEADLINE_S = 120.0
AIM_RATE, AIM_P50_MS, AIM_P99_MS = 5_000, 10.0, 50.0
LOADED_AIM_P99_MS = 250.0
"""At half of the highest rate, and in a storm."""
STARTS = """
import sys
import streams.transport.fetch_wait
import streams.transport.fetcher
streams.transport.fetcher.FETCH_MAX_WAIT_MS = streams.transport.fetch_wait.LONG_WAIT_MS = int(sys.argv.pop(1))
from halt400.cli import main
main()
"""
"""`halt400`, with another fetch wait."""


class Halted(NamedTuple):
    """One 400's way, in milliseconds from before it was given to the producer."""

    halted_ms: float
    acknowledged_ms: float
    judged_ms: float


def main(arguments: list[str]) -> int:
    """Measure, and print; exit code 1 where the latency is over its aims."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=AIM_RATE, help="events a second")
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--bad-request-ratio", type=float, default=0.0, help="share of 400s in the traffic itself")
    parser.add_argument("--probes", type=int, default=200, help="400s that are measured")
    parser.add_argument("--per-s", type=float, default=10.0, help="of them a second")
    parser.add_argument("--warm-s", type=float, default=5.0, help="seconds of traffic before the first of them")
    parser.add_argument("--fetch-wait-ms", type=int, default=None, help="another wait than the worker's own")
    parser.add_argument("--idle", type=float, default=0.0, help="measure so many seconds without traffic instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--traffic", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.traffic:
        asyncio.run(_send_traffic(given))
        return 0
    with tempfile.TemporaryDirectory() as directory, LocalKafka() as broker:
        figures = asyncio.run(_measure(given, broker, Path(directory)))
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<56} {value:>12,.2f}")
    return 0 if given.idle or _is_within_aims(figures, given.rate, given.bad_request_ratio) else 1


def _is_within_aims(figures: dict[str, float], rate: int, bad_request_ratio: float) -> bool:
    if rate > AIM_RATE or bad_request_ratio:
        return figures["halted, p99 ms"] < LOADED_AIM_P99_MS
    return figures["halted, p50 ms"] < AIM_P50_MS and figures["halted, p99 ms"] < AIM_P99_MS


async def _measure(given: argparse.Namespace, broker: LocalKafka, directory: Path) -> dict[str, float]:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=PREFIX, partitions=given.partitions)
    await apply_topics(kafka)
    program = ["-m", "halt400"] if given.fetch_wait_ms is None else ["-c", STARTS, str(given.fetch_wait_ms)]
    async with ready_worker(kafka, directory / "worker.log", program=program) as worker:
        if given.idle:
            return await _idle(given, worker.pid, broker.pid)
        async with Gate(kafka.connection) as gate:
            await gate.wait_caught_up()
            return await _latencies(given, kafka, gate, worker.pid)


@asynccontextmanager
async def ready_worker(
    kafka: KafkaSettings, log: Path, *, program: Sequence[str] = ("-m", "halt400"), **environment: str
) -> AsyncIterator[SupervisedProcess]:
    """A worker with one detect process that is ready; its log, and its archive beside it."""
    variables = {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HALT400_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HALT400_KAFKA_PARTITIONS": str(kafka.partitions),
        "HALT400_ARCHIVE_URI": (log.parent / "archive").as_uri(),
        "HALT400_API_PORT": "0",
        **environment,
    }
    log.write_text("")  # noqa: ASYNC240
    settings = [f"{name}={value}" for name, value in variables.items()]
    worker = SupervisedProcess(["env", *settings, sys.executable, *program, "worker", "--processes", "1"], log)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while "Ready:" not in (text := await asyncio.to_thread(log.read_text)):
            if not worker.running or time.monotonic() > deadline:
                raise SystemExit(f"The worker is not ready: {text[-2000:]}")
            await asyncio.sleep(0.02)
        yield worker
    finally:
        await asyncio.to_thread(worker.stop)


async def _idle(given: argparse.Namespace, worker: int, broker: int | None) -> dict[str, float]:
    await asyncio.sleep(5)
    pids = {"worker, both processes": worker, "broker": broker}
    before = {name: usage_of(pid).cpu_s for name, pid in pids.items() if pid is not None}
    await asyncio.sleep(given.idle)
    return {
        f"CPU ms of an idle second, {name}": (usage_of(pids[name] or 0).cpu_s - spent) / given.idle * 1000
        for name, spent in before.items()
    }


async def _latencies(given: argparse.Namespace, kafka: KafkaSettings, gate: Gate, worker: int) -> dict[str, float]:
    refused_at: dict[str, float] = {}

    def note(command: Command) -> None:
        refused_at.setdefault(command.scope.job_id or "", time.perf_counter())

    gate.on_change(note)
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all", linger_ms=0) as producer:
        await producer.partitions_for(kafka.topic("responses"))
        first = await probe(producer, kafka, gate, refused_at, "first")
        traffic = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks", "latency", "--traffic", kafka.bootstrap_servers,
            "--rate", str(given.rate), "--targets", str(given.targets), "--partitions", str(given.partitions),
            "--bad-request-ratio", str(given.bad_request_ratio),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert traffic.stdout is not None
        await traffic.stdout.readline()
        await asyncio.sleep(given.warm_s)
        began, spent = time.perf_counter(), usage_of(worker).cpu_s
        probes = []
        for number in range(given.probes):
            await asyncio.sleep(max(0.0, began + number / given.per_s - time.perf_counter()))
            probes.append(asyncio.create_task(probe(producer, kafka, gate, refused_at, f"probe-{number}")))
        found = await asyncio.gather(*probes)
        lasted, spent = time.perf_counter() - began, usage_of(worker).cpu_s - spent
        sent, _ = await traffic.communicate(b"\n")
    return {
        "first 400 of a worker just ready, ms": first.halted_ms,
        "traffic, events a second": float(sent),
        "CPU of the worker, cores": spent / lasted,
        **_quantiles("halted", [one.halted_ms for one in found]),
        **_quantiles("acknowledged", [one.acknowledged_ms for one in found]),
        **_quantiles("judged", [one.judged_ms for one in found]),
        **_quantiles("halted, from the judgement", [one.halted_ms - one.judged_ms for one in found]),
    }


def _quantiles(name: str, found: list[float]) -> dict[str, float]:
    steps = statistics.quantiles(found, n=100)
    return {f"{name}, p50 ms": steps[49], f"{name}, p99 ms": steps[98], f"{name}, longest ms": max(found)}


async def probe(
    producer: AIOKafkaProducer, kafka: KafkaSettings, gate: Gate, refused_at: dict[str, float], job_id: str
) -> Halted:
    """Send one 400 of a job, and wait for its refusal."""
    target = f"{job_id}.example"
    event = ResponseEvent(
        id=f"{job_id}-{time.time_ns()}",
        time=time.time_ns() // 1_000_000,
        target=target,
        job_id=job_id,
        request=Request(method="POST", url=f"https://{target}/v2/search", body='{"query": "phones", }'),
        response=Response(status=400, body='{"error": "Bad Request"}'),
    )
    value = msgspec.json.encode(event)
    began, began_ms = time.perf_counter(), time.time() * 1000
    place = partition_of(target.encode(), kafka.partitions)
    sent = await producer.send(kafka.topic("responses"), value, target.encode(), place)
    await sent
    acknowledged = time.perf_counter()
    async with asyncio.timeout(DEADLINE_S):
        command = await gate.wait_halted(target, job_id)
    assert gate.check(target, job_id) == command
    return Halted(
        halted_ms=(refused_at[job_id] - began) * 1000,
        acknowledged_ms=(acknowledged - began) * 1000,
        judged_ms=command.issued_at - began_ms,
    )


async def _send_traffic(given: argparse.Namespace) -> None:
    """Publish at an even pace until a line comes on the standard input; print the rate that was reached."""
    kafka = KafkaSettings(bootstrap_servers=given.traffic, topic_prefix=PREFIX, partitions=given.partitions)
    stopping = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    start_ms = time.time_ns() // 1_000_000
    events = generate(
        1 << 40,
        targets=given.targets,
        bad_request_ratio=given.bad_request_ratio,
        seed=time.time_ns() % 100_000,
        start_ms=start_ms,
        events_per_s=given.rate,
    )
    places: dict[bytes, int] = {}
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all", max_batch_size=512 * 1024) as producer:
        print("ready", flush=True)
        began, sent = time.monotonic(), 0
        while not stopping.done():
            due = min(int((time.monotonic() - began) * given.rate), sent + MOST_AT_ONCE)
            batches = {}
            for key, value, *_ in islice(events, due - sent):
                place = places.get(key)
                if place is None:
                    place = places[key] = partition_of(key, given.partitions)
                if place not in batches:
                    batches[place] = producer.create_batch()
                batches[place].append(key=key, value=value, timestamp=None)
            sent = due
            for place, batch in batches.items():
                batch.close()
                await producer.send_batch(batch, kafka.topic("responses"), partition=place)
            await asyncio.sleep(STEP_S)
        print(sent / (time.monotonic() - began), flush=True)
