"""More than a worker can take, for long, on one key, in a storm, over many targets: memory, lag, how late commands are.

One worker (one detect process and the follow-up process) on a local Kafka, which shares the machine's cores with it and
with the publisher. Each run has topics of its own and is checked: every event is counted once, the lag drains, memory
stays under a bound; the exit code is 1 when a check fails.

``capacity``
    How fast the worker counts a log that is there, in events a second. The other runs are relative to it.
``overload``
    Twice that for some minutes, then nothing, until the lag is drained.
``hot``
    Half of the capacity, and half of it on one target.
``storm``
    A fifth of all responses are 400s, over 64 partitions.
``soak``
    A third of the capacity for long, on few targets whose day of minutes is full before: resident memory and
    descriptors of the last fifth beside those of the second. With ``--per-s 200`` it can run beside other work.
``targets``
    100,000 targets, and how long a worker takes from its start until it counts on.
"""

import argparse
import asyncio
import json
import logging
import re
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from rich.console import Console

from benchmarks.load_stage import LoadedWorker, LoadStage, Sample, Traffic
from benchmarks.outside import StalledError
from halt400.errors import Halt400Error
from streams.local import LocalKafka
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main"]

PARTITIONS = 12
STORM_PARTITIONS = 64
CAPACITY_EVENTS = 300_000
MANY_TARGETS = 100_000
SOAK_TARGETS = 50
A_DAY_BEFORE = Traffic(4 * 86_400, 1.0, targets=SOAK_TARGETS, bad_ratio=0.0, past_s=86_400)
"""Rows keep a day of minutes: without these they grow for a day."""
MOST_RSS_BYTES = 1024 * 1024 * 1024
MOST_GROWTH = 1.1
"""Of memory and descriptors during the soak."""
DRAIN_S = 900.0

_RECOVERY = re.compile(r"Recovery done in ([\d.]+) s: (\d+) rows on \d+ partitions of \S*rates")

console = Console(stderr=True, highlight=False)


class LoadRuns:
    """The runs on one broker.

    Parameters
    ----------
    seconds
        Of traffic of each run.
    capacity
        Events a second that the worker counts, 0 to measure it.
    per_s
        Events a second of the soak, 0 for a third of the capacity.
    """

    def __init__(
        self, servers: str, directory: Path, seconds: float, capacity: int, targets: int, per_s: int = 0
    ) -> None:
        self._servers, self._directory, self._seconds = servers, directory, seconds
        self._capacity, self._targets, self._per_s = capacity, targets, per_s
        self.failed: list[str] = []

    async def capacity(self) -> dict[str, Any]:
        """Measure it: the log is there before the worker starts."""
        stage = await self._stage("capacity")
        published = await stage.publish(Traffic(CAPACITY_EVENTS, 1.0))
        with stage.worker() as worker:
            await stage.ready(worker)
            sampling = asyncio.create_task(stage.sample(worker))
            took_s = await stage.drained(DRAIN_S)
            await _cancelled(sampling)
        falling = [one for one in stage.samples if one.lag < published["events"]]
        first, last = falling[0], next(one for one in falling if not one.lag)
        events, seconds = first.lag, last.at_s - first.at_s
        # A log that was read before the second sample is too short: the whole time counts then.
        self._capacity = int(events / seconds) if seconds > 1 else int(published["events"] / took_s)
        return {"events": published["events"], "events_per_s": self._capacity}

    async def overload(self) -> dict[str, Any]:
        """Twice the capacity."""
        return await self._loaded("overload", lambda: Traffic(2 * self._capacity, self._seconds))

    async def hot(self) -> dict[str, Any]:
        """Half of the traffic on one key."""
        return await self._loaded("hot", lambda: Traffic(self._capacity // 2, self._seconds, hot=True))

    async def storm(self) -> dict[str, Any]:
        """A fifth of 400s, over many partitions; each of them is diagnosed, archived and counted."""
        traffic = Traffic(max(500, self._capacity // 10), self._seconds, bad_ratio=0.2)
        return await self._loaded("storm", lambda: traffic, STORM_PARTITIONS)

    async def soak(self) -> dict[str, Any]:
        """Long, at a load that leaves time."""
        samples: list[Sample] = []
        found = await self._loaded(
            "soak",
            lambda: Traffic(self._per_s or self._capacity // 3, self._seconds, targets=SOAK_TARGETS),
            samples=samples,
            before=A_DAY_BEFORE,
        )
        for name in ("rss_bytes", "descriptors"):
            medians = _by_fifth([(one.at_s, getattr(one, name)) for one in samples], self._seconds)
            growth = medians[4] / medians[1]
            found[f"{name} by fifth"], found[f"growth of {name}"] = medians, round(growth, 3)
            self._check(growth <= MOST_GROWTH, f"soak: {name} grew by a factor of {growth:.2f}")
        return found

    async def targets(self) -> dict[str, Any]:
        """Many rows: how long the next worker takes until it counts on."""
        stage = await self._stage("targets")
        # Targets are drawn by Zipf's law: of so many draws nearly every one comes.
        traffic = Traffic(self._targets * 20, 1.0, targets=self._targets, bad_ratio=0.0005)
        published = await stage.publish(traffic)
        with stage.worker() as worker:
            await stage.ready(worker)
            sampling = asyncio.create_task(stage.sample(worker))
            await stage.drained(DRAIN_S)
            await _cancelled(sampling)
        with stage.worker() as worker:
            ready_s = await stage.ready(worker)
            rss, _ = worker.measure()
            recovery = re.findall(
                r"Recovery done in ([\d.]+) s: (\d+) rows on \d+ partitions of \S*rates", worker.log_text()
            )
            await self._check_counted("targets", stage, worker, published["events"])
        return {
            "events": published["events"],
            "rows": int(recovery[-1][1]),
            "recovery_s": float(recovery[-1][0]),
            "start_to_ready_s": round(ready_s, 1),
            "rss_mib": rss >> 20,
        }

    async def _loaded(
        self,
        name: str,
        traffic_of: Callable[[], Traffic],
        partitions: int = PARTITIONS,
        samples: list[Sample] | None = None,
        before: Traffic | None = None,
    ) -> dict[str, Any]:
        if not self._capacity and not self._per_s:
            console.print("capacity ...", await self.capacity())
        stage, traffic = await self._stage(name, partitions), traffic_of()
        if samples is not None:
            stage.samples = samples
        with stage.worker() as worker:
            await stage.ready(worker)
            earlier = await self._publish_before(stage, worker, before) if before else 0
            sampling = asyncio.create_task(stage.sample(worker))
            published = await stage.publish(traffic)
            drain_s = await stage.drained(DRAIN_S)
            await _cancelled(sampling)
            await self._check_counted(name, stage, worker, earlier + published["events"])
        offences, commands = await stage.latencies_s()
        peak = max(one.rss_bytes for one in stage.samples)
        self._check(peak <= MOST_RSS_BYTES, f"{name}: {peak >> 20} MiB resident")
        self._check(len(offences) == published["bad_requests"], f"{name}: {len(offences)} offences of {published}")
        return {
            "events": published["events"],
            "400s": published["bad_requests"],
            "per_s": traffic.per_s,
            "seconds": traffic.seconds,
            "publisher_late_s": round(published["late_s"], 1),
            "peak_rss_mib": peak >> 20,
            "descriptors": max(one.descriptors for one in stage.samples),
            "most_lag": max(one.lag for one in stage.samples),
            "drain_s": round(drain_s, 1),
            "offence_s": _spread(offences),
            "command_s": _spread(commands),
        }

    async def _publish_before(self, stage: LoadStage, worker: LoadedWorker, before: Traffic) -> int:
        """Publish what is counted before the samples begin; how many events."""
        sampling = asyncio.create_task(stage.sample(worker))
        published = await stage.publish(before)
        await stage.drained(DRAIN_S)
        await _cancelled(sampling)
        stage.samples.clear()
        return int(published["events"])

    async def _check_counted(self, name: str, stage: LoadStage, worker: LoadedWorker, events: int) -> None:
        code = await asyncio.to_thread(worker.stop)
        self._check(code == 0, f"{name}: the worker ended with {code}")
        counted = await stage.counted()
        self._check(counted == events, f"{name}: {counted} events in rows, {events} published")

    def _check(self, holds: bool, what: str) -> None:
        if not holds:
            self.failed.append(what)

    async def _stage(self, name: str, partitions: int = PARTITIONS) -> LoadStage:
        kafka = KafkaSettings(
            bootstrap_servers=self._servers, topic_prefix=f"load-{name}.", partitions=partitions, replication_factor=1
        )
        directory = self._directory / name
        directory.mkdir()
        await apply_topics(kafka)
        return LoadStage(kafka, directory)


def _by_fifth(samples: list[tuple[float, int]], seconds: float) -> list[int]:
    """The median of each fifth of the time, of (second, value) pairs."""
    width = seconds / 5
    return [
        int(statistics.median(value for at_s, value in samples if part * width <= at_s < (part + 1) * width))
        for part in range(5)
    ]


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    places = {"median": len(values) // 2, "p99": len(values) * 99 // 100, "longest": len(values) - 1}
    return {name: round(values[place], 2) for name, place in places.items()}


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _run(given: argparse.Namespace, directory: Path) -> tuple[dict[str, Any], list[str]]:
    with LocalKafka(data_dir=directory / "kafka", heap="1g") as broker:
        runs = LoadRuns(
            broker.bootstrap_servers, directory, given.minutes * 60, given.capacity, given.targets, given.per_s
        )
        found: dict[str, Any] = {}
        for name in given.only:
            console.print(f"{name} ...", end=" ")
            run: Callable[[], Awaitable[dict[str, Any]]] = getattr(runs, name)
            found[name] = await run()
            console.print(found[name])
        return found, runs.failed


def main(arguments: list[str]) -> int:
    """Run; 0 when every check holds."""
    names = ("capacity", "overload", "hot", "storm", "soak", "targets")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=list(names), help="runs (all)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of traffic of each run (5); soak: say 20")
    parser.add_argument("--capacity", type=int, default=0, help="events a second, where it is known (measured)")
    parser.add_argument("--per-s", type=int, default=0, help="events a second of the soak (a third of the capacity)")
    parser.add_argument("--targets", type=int, default=MANY_TARGETS, help=f"of the run `targets` ({MANY_TARGETS})")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="halt400-load-") as directory:
        try:
            found, failed = asyncio.run(_run(given, Path(directory)))
        except (Halt400Error, StalledError, OSError, KafkaError) as error:
            print(f"load: {error}", file=sys.stderr)
            return 2
    print(json.dumps(found, indent=2))
    for text in failed:
        print(f"FAILED: {text}", file=sys.stderr)
    return int(bool(failed))
