"""How soon a worker works: ``python -m benchmarks start [--rows 100000]``, on a real Kafka.

- From the start of the process to "Ready": with nothing to recover, and with the rows of a fleet on the changelog.
- A rolling restart of two workers: while each in turn is stopped and started again, 400s go to all partitions, each of
  a job that had none; the longest time from a 400 to a gate's refusal of its job is how long its partition stood still.
  With static membership (HALT400_WORKER_INSTANCE_ID), and without.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaProducer

from benchmarks.latency import Halted, probe, ready_worker
from benchmarks.memory import fleet_rows
from halt400.gate import Gate
from halt400.records import Command
from streams.local import LocalKafka
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main"]

PROBES_PER_S = 20.0
AIMS = {
    "ready with nothing to recover, s": 5.0,
    "ready with rows to recover, s": 20.0,
    "rolling restart, static members, longest standstill, s": 5.0,
    "rolling restart, other members, longest standstill, s": 5.0,
}


def main(arguments: list[str]) -> int:
    """Measure, print, and check the aims."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--only", choices=("ready", "rolling"), help="one of the two parts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory, LocalKafka() as broker:
        parts = {"ready": _ready, "rolling": _rolling}
        for name, measure in parts.items():
            if given.only in (None, name):
                kafka = KafkaSettings(
                    bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"{name}.", partitions=given.partitions
                )
                figures |= asyncio.run(measure(given, kafka, Path(directory)))
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<64} {value:>10,.2f}")
    return 0 if all(figures.get(name, 0.0) <= aim for name, aim in AIMS.items()) else 1


async def _ready(given: argparse.Namespace, kafka: KafkaSettings, directory: Path) -> dict[str, float]:
    await apply_topics(kafka)
    log = directory / "ready.log"
    began = time.perf_counter()
    async with ready_worker(kafka, log):
        empty_s = time.perf_counter() - began
    size = 0
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all") as producer:
        for place, key, row in fleet_rows(given.rows, given.partitions):
            await producer.send(kafka.topic("rates"), row, key, place)
            size += len(row)
    began = time.perf_counter()
    async with ready_worker(kafka, log):
        full_s = time.perf_counter() - began
    recovered = next(line for line in log.read_text().splitlines() if "Recovery done" in line)
    if f"{given.rows} rows" not in recovered:
        raise SystemExit(f"Not all of the rows were recovered: {recovered}")
    return {
        "ready with nothing to recover, s": empty_s,
        "rows on the changelog": given.rows,
        "their size, MB": size / 1e6,
        "ready with rows to recover, s": full_s,
        "of it the recovery, s": float(recovered.split("done in ")[1].split(" s")[0]),
    }


async def _rolling(_given: argparse.Namespace, kafka: KafkaSettings, directory: Path) -> dict[str, float]:
    await apply_topics(kafka)
    figures: dict[str, float] = {}
    named = [{"HALT400_WORKER_INSTANCE_ID": f"worker-{number}"} for number in range(2)]
    unnamed: list[dict[str, str]] = [{}, {}]
    for name, environments in (("static members", named), ("other members", unnamed)):
        async with Gate(kafka.connection) as gate, AsyncExitStack() as stack:
            await gate.wait_caught_up()
            found = await _restart_each(kafka, gate, directory, name.split()[0], environments, stack)
        figures[f"rolling restart, {name}, 400s"] = len(found)
        figures[f"rolling restart, {name}, longest standstill, s"] = max(found) / 1000
        figures[f"rolling restart, {name}, of them over 1 s"] = sum(delay > 1000 for delay in found)
    return figures


async def _restart_each(
    kafka: KafkaSettings,
    gate: Gate,
    directory: Path,
    name: str,
    environments: list[dict[str, str]],
    last: AsyncExitStack,
) -> list[float]:
    """Restart two workers in turn under 400s; how long each 400 took to be refused, milliseconds."""

    async def start(number: int, life: int) -> AsyncExitStack:
        stack = AsyncExitStack()
        log = directory / f"{name}-{number}-{life}.log"
        await stack.enter_async_context(ready_worker(kafka, log, **environments[number]))
        return stack

    running = [await start(number, 0) for number in range(2)]
    await asyncio.sleep(3)
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all") as producer:
        done = asyncio.Event()
        sending = asyncio.create_task(_send_probes(producer, kafka, gate, name, done))
        await asyncio.sleep(2)
        for number in range(2):
            await running[number].aclose()
            running[number] = await start(number, 1)
            await asyncio.sleep(3)
        done.set()
        found = await sending
    for stack in running:
        last.push_async_callback(stack.aclose)
    return found


async def _send_probes(
    producer: AIOKafkaProducer, kafka: KafkaSettings, gate: Gate, name: str, done: asyncio.Event
) -> list[float]:
    refused_at: dict[str, float] = {}

    def note(command: Command) -> None:
        refused_at.setdefault(command.scope.job_id or "", time.perf_counter())

    gate.on_change(note)
    probes: list[asyncio.Task[Halted]] = []
    began = time.perf_counter()
    while not done.is_set():
        job_id = f"{name}-{len(probes)}"
        probes.append(asyncio.create_task(probe(producer, kafka, gate, refused_at, job_id)))
        await asyncio.sleep(max(0.0, began + len(probes) / PROBES_PER_S - time.perf_counter()))
    return [one.halted_ms for one in await asyncio.gather(*probes)]
