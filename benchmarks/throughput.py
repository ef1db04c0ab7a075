"""How fast the whole worker is, beside a bare consumer and a naive Faust agent: ``python -m benchmarks throughput``.

One log of realistic events is put on a real broker once. Then, in alternating order, round after round, each as an
operating-system process with a consumer group of its own, read it from the beginning:

bare
    An aiokafka consumer that decodes as the worker does, counts per target, and does nothing else.
worker
    ``halt400 worker`` as it is installed: detection, changelog, offences, commands, archive to a directory, API.
naive
    A Faust agent with a hopping table and the stock transport, for a bounded time.

Bare and worker are measured alike, from outside: from the first committed offset seen to the commit that reaches the
log's end, with what the first commit covers left out; so neither start nor join counts. The naive agent is measured by
itself from its first event to its last. Every count is checked against what was put on the log.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.events import generate
from benchmarks.outside import (
    StalledError,
    delete_topics,
    log_end,
    pace_of_group,
    records_of,
    reset_group,
    wait_until,
)
from benchmarks.preload import Expected, preload
from halt400.errors import Halt400Error
from halt400.windows import decode_row
from streams import topics
from streams.archive.sampling import decode_manifest
from streams.local import LocalKafka
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main"]

LEAST_OF_BARE = 0.4
LEAST_OF_NAIVE = 50.0
EVENTS_PER_S = 20_000
OUTPUTS = (topics.CONTROL, topics.OFFENCES, topics.RESPONSES_DLQ, topics.RATES, topics.FINDINGS, topics.FLEET)
NAIVE_WINDOWS_PER_EVENT = 5

console = Console(stderr=True, highlight=False)


class MiscountError(Exception):
    """A contender's counts are not what was put on the log."""


@dataclass
class Round:
    """Figures of one round, events per second, and what else was seen of the worker."""

    bare_per_s: float = 0.0
    worker_per_s: float = 0.0
    naive_per_s: float = 0.0
    naive_events: int = 0
    archive_lag_s: float = 0.0
    kept: int = 0
    commands: int = 0

    @property
    def worker_of_bare(self) -> float:
        """Worker / bare."""
        return self.worker_per_s / self.bare_per_s

    @property
    def worker_of_naive(self) -> float:
        """Worker / naive."""
        return self.worker_per_s / self.naive_per_s


@dataclass
class Bench:
    """One log on one broker, and the contenders that read it."""

    kafka: KafkaSettings
    expected: Expected
    directory: Path
    naive_s: float
    contenders: tuple[str, ...]
    leftovers: list[str] = field(default_factory=list)

    @property
    def responses(self) -> str:
        """The log."""
        return self.kafka.topic(topics.RESPONSES)

    async def bare(self, number: int, found: Round) -> None:
        """Measure the bare consumer."""
        group = self.kafka.topic(f"bare-{number}")
        arguments = ["--group", group, "--topic", self.responses, "--events", str(self.expected.events)]
        with self._process(["benchmarks", "bare_consumer", *arguments], f"bare-{number}") as (process, output):
            pace = await pace_of_group(
                self.kafka, group, self.responses, self.expected.events, lambda: _works(process), 600.0
            )
            await asyncio.to_thread(process.wait, 60)
            counted = json.loads(output.read_text())
        _check(f"bare consumer, round {number}: events by target", counted["by_target"], self.expected.by_target)
        _check("bare consumer: 400s", counted["bad_requests"], self.expected.bad_requests.total())
        found.bare_per_s = pace.events_per_s

    async def worker(self, number: int, found: Round) -> None:
        """Measure the worker, on empty topics beside the log, and hold its counts against the log's."""
        archive = self.directory / f"archive-{number}"
        archive.mkdir()
        group = self.kafka.topic("worker")
        await delete_topics(self.kafka, [self.kafka.topic(name) for name in OUTPUTS])
        await apply_topics(self.kafka)
        await reset_group(self.kafka, group, self.responses)
        environment = {
            "HALT400_ARCHIVE_URI": archive.as_uri(),
            "HALT400_API_PORT": "0",
            # Later rounds read older events; what they lead to must be the same in each.
            "HALT400_DETECTION_OLD_NEWS_S": "86400",
        }
        with self._process(["halt400", "worker"], f"worker-{number}", environment) as (process, _):
            pace = await pace_of_group(
                self.kafka, group, self.responses, self.expected.events, lambda: process.poll() is None, 900.0
            )
            bad_requests = self.expected.bad_requests.total()

            async def archived() -> bool:
                return _counted(archive)[0] >= bad_requests

            found.archive_lag_s = await wait_until(archived, f"archive of {bad_requests} offences", 300.0, poll_s=0.5)
            process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(process.wait, 60)
        if code != 0:
            raise StalledError(f"the worker ended with {code}")
        found.worker_per_s = pace.events_per_s
        await self._check_worker(number, found, archive)

    async def _check_worker(self, number: int, found: Round, archive: Path) -> None:
        rows = {record.key: record.value for record in await records_of(self.kafka, self.kafka.topic(topics.RATES))}
        totals = {key.decode(): decode_row(value).totals() for key, value in rows.items()}
        name = f"worker, round {number}"
        _check(
            f"{name}: events by target",
            {target: total["responses"] for target, total in totals.items()},
            self.expected.by_target,
        )
        _check(
            f"{name}: 400s by target",
            {target: total["400"] for target, total in totals.items() if total["400"]},
            self.expected.bad_requests,
        )
        bad_requests = self.expected.bad_requests.total()
        _check(f"{name}: offences", await log_end(self.kafka, self.kafka.topic(topics.OFFENCES)), bad_requests)
        seen, kept = _counted(archive)
        _check(f"{name}: offences in the archive's manifests", seen, bad_requests)
        _check(f"{name}: evidence kept as the manifests say", _objects(archive), kept)
        found.kept = kept
        _check(f"{name}: dead letters", await log_end(self.kafka, self.kafka.topic(topics.RESPONSES_DLQ)), 0)
        found.commands = await log_end(self.kafka, self.kafka.topic(topics.CONTROL))
        _check(f"{name}: commands, one for each job with a 400", found.commands, len(self.expected.bad_jobs))

    async def naive(self, number: int, found: Round) -> None:
        """Measure the naive Faust agent over its bounded time."""
        group = self.kafka.topic(f"naive-{number}")
        arguments = ["--group", group, "--topic", self.responses, "--seconds", str(self.naive_s)]
        with self._process(["benchmarks", "naive_faust", *arguments], f"naive-{number}") as (process, output):
            await asyncio.to_thread(process.wait, self.naive_s + 180)
            if process.returncode:
                raise StalledError(f"the naive agent ended with {process.returncode}")
            counted = json.loads(output.read_text())
        self.leftovers.append(counted["changelog"])
        if counted["events"] >= self.expected.events:
            raise StalledError("the naive agent came to the end of the log; use more events or fewer seconds")
        increments = counted["events"] * NAIVE_WINDOWS_PER_EVENT
        _check(f"naive agent, round {number}: increments", counted["increments"], increments)
        _check("naive agent: changelog records", await log_end(self.kafka, counted["changelog"]), increments)
        found.naive_per_s = (counted["events"] - 1) / counted["elapsed_s"]
        found.naive_events = counted["events"]

    async def run(self, rounds: int) -> list[Round]:
        """Run every contender in every round, in the opposite order in every other one."""
        results = []
        for number in range(1, rounds + 1):
            found = Round()
            for contender in self.contenders if number % 2 else reversed(self.contenders):
                console.print(f"round {number} of {rounds}: {contender} ...", end=" ")
                await getattr(self, contender)(number, found)
                console.print(f"{getattr(found, f'{contender}_per_s'):,.0f} events/s")
            results.append(found)
        return results

    async def clean_up(self) -> None:
        """Delete every topic of this run."""
        ours = [self.kafka.topic(name) for name in (*OUTPUTS, topics.RESPONSES, topics.OPERATIONS, topics.ALERTS_DLQ)]
        await delete_topics(self.kafka, ours + self.leftovers)

    @contextmanager
    def _process(
        self, module: list[str], name: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run ``python -m module``; its output goes to a file, its log to another, shown when things go wrong."""
        output, log = self.directory / f"{name}.out", self.directory / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HALT400_")}
        connection = {key: value for key, value in os.environ.items() if key.startswith("HALT400_KAFKA_")}
        ours = {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(self.kafka.partitions),
        }
        with output.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=inherited | connection | ours | dict(environment or {}),
                stdout=stdout,
                stderr=stderr,
            )
        try:
            yield process, output
        except BaseException:
            console.print(log.read_text(errors="replace")[-4000:], markup=False)
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _objects(archive: Path) -> int:
    return sum(1 for _ in archive.rglob("*.har"))


def _counted(archive: Path) -> tuple[int, int]:
    """The offences that the archive's manifests count, and those of them whose evidence was kept."""
    manifests = [decode_manifest(path.read_bytes()) for path in archive.rglob("*.json")]
    return sum(manifest.seen for manifest in manifests), sum(manifest.kept for manifest in manifests)


def _works(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process still runs, or has ended well."""
    return process.poll() in (None, 0)


def _check(what: str, counted: Any, expected: Any) -> None:
    if counted != expected:
        shown = f"{counted} instead of {expected}" if isinstance(counted, int) else _first_difference(counted, expected)
        raise MiscountError(f"{what}: {shown}")


def _first_difference(counted: Mapping[str, int], expected: Mapping[str, int]) -> str:
    keys = sorted(key for key in counted.keys() | expected.keys() if counted.get(key, 0) != expected.get(key, 0))
    if not keys:
        return "keys differ"
    return f"{len(keys)} differ, such as {keys[0]}: {counted.get(keys[0])} instead of {expected.get(keys[0])}"


async def _measure(given: argparse.Namespace, bootstrap_servers: str, directory: Path) -> dict[str, Any]:
    kafka = KafkaSettings.model_validate(
        {
            **{
                key.removeprefix("HALT400_KAFKA_").lower(): value
                for key, value in os.environ.items()
                if key.startswith("HALT400_KAFKA_")
            },
            "bootstrap_servers": bootstrap_servers,
            "topic_prefix": f"bench-{secrets.token_hex(4)}.",
            "partitions": given.partitions,
        }
    )
    await apply_topics(kafka)
    start_ms = time.time_ns() // 1_000_000 - given.events * 1000 // EVENTS_PER_S
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("events onto the log", total=given.events)
        began_s = time.monotonic()
        expected = await preload(
            kafka,
            kafka.topic(topics.RESPONSES),
            kafka.partitions,
            generate(given.events, given.targets, seed=given.seed, start_ms=start_ms, events_per_s=EVENTS_PER_S),
            lambda done: progress.update(task, completed=done),
        )
    _check("records on the log", await log_end(kafka, kafka.topic(topics.RESPONSES)), expected.events)
    console.print(
        f"{expected.events:,} events of {expected.value_bytes / expected.events:.0f} bytes, "
        f"{expected.bad_requests.total():,} of them 400s, put on {kafka.partitions} partitions "
        f"in {time.monotonic() - began_s:.0f} s"
    )
    bench = Bench(kafka, expected, directory, given.naive_seconds, tuple(given.contenders))
    try:
        rounds = await bench.run(given.rounds)
    finally:
        await bench.clean_up()
    return _report(given, expected, rounds)


def _report(given: argparse.Namespace, expected: Expected, rounds: list[Round]) -> dict[str, Any]:
    report: dict[str, Any] = {
        "events": expected.events,
        "mean_event_bytes": round(expected.value_bytes / expected.events, 1),
        "bad_requests": expected.bad_requests.total(),
        "targets": len(expected.by_target),
        "partitions": given.partitions,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "machine": platform.platform(),
        "rounds": [vars(found) for found in rounds],
    }
    for contender in given.contenders:
        report[f"{contender}_per_s"] = _spread([getattr(found, f"{contender}_per_s") for found in rounds])
    if {"worker", "bare"} <= set(given.contenders):
        report["worker_of_bare"] = _spread([found.worker_of_bare for found in rounds])
    if {"worker", "naive"} <= set(given.contenders):
        report["worker_of_naive"] = _spread([found.worker_of_naive for found in rounds])
    report["passed"] = all(
        report[name]["median"] >= least
        for name, least in (("worker_of_bare", LEAST_OF_BARE), ("worker_of_naive", LEAST_OF_NAIVE))
        if name in report
    )
    return report


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['events']:,} events, {len(report['rounds'])} rounds, counts checked")
    for column in ("", "min", "median", "max", "at least"):
        table.add_column(column, justify="left" if not column else "right")
    rows = (
        ("bare consumer, events/s", "bare_per_s", ",.0f", ""),
        ("worker, events/s", "worker_per_s", ",.0f", ""),
        ("naive Faust agent, events/s", "naive_per_s", ",.0f", ""),
        ("worker / bare", "worker_of_bare", ".2f", f"{LEAST_OF_BARE:g}"),
        ("worker / naive", "worker_of_naive", ".0f", f"{LEAST_OF_NAIVE:g}"),
    )
    for title, name, form, least in rows:
        if name in report:
            table.add_row(title, *(format(report[name][key], form) for key in ("min", "median", "max")), least)
    Console().print(table)


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when both ratios are high enough at the median, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks throughput", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, help="events on the log (2,000,000; 400,000 with --quick)")
    parser.add_argument("--rounds", type=int, help="rounds (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a shorter run, of less precision")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--seed", type=int, default=400)
    parser.add_argument("--naive-seconds", type=float, help="how long the naive agent runs (20; 8 with --quick)")
    parser.add_argument("--only", dest="contenders", nargs="+", choices=("bare", "worker", "naive"))
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    given.events = given.events or (400_000 if given.quick else 2_000_000)
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.naive_seconds = given.naive_seconds or (8.0 if given.quick else 20.0)
    given.contenders = given.contenders or ["bare", "worker", "naive"]
    cluster = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="halt400-bench-") as directory,
            nullcontext() if cluster else LocalKafka() as local,
        ):
            servers = local.bootstrap_servers if local is not None else str(cluster)
            report = asyncio.run(_measure(given, servers, Path(directory)))
    except (Halt400Error, StalledError, MiscountError) as error:
        console.print(f"throughput: {error}", style="bold red", markup=False)
        return 1
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0 if report["passed"] else 1
