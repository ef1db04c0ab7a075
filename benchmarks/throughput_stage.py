"""The contenders of the throughput benchmark: each runs over one log, is measured, and its counts are checked."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console

from benchmarks.counts import MiscountError, archived_objects, check, manifest_counts
from benchmarks.flame import draw_flame
from benchmarks.outside import (
    Pace,
    Snapshot,
    StalledError,
    delete_topics,
    log_end,
    pace_of_group,
    records_of,
    reset_group,
    topics_of,
    wait_until,
)
from benchmarks.preload import Expected
from benchmarks.throughput_peers import KAFKA_STREAMS, PYTHON_PEERS, WINDOWS_PER_EVENT, CannotRun
from halt400.windows import decode_row
from streams import topics
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["ENVELOPES", "IN_PYTHON", "Measured", "Round", "Stage", "console"]

ENVELOPES = "worker-envelopes"
IN_PYTHON = "worker-python"

OUTPUTS = (topics.CONTROL, topics.OFFENCES, topics.RESPONSES_DLQ, topics.RATES, topics.FINDINGS, topics.FLEET)

_PYTHON = (sys.executable, "-m")

console = Console(stderr=True, highlight=False)


class Measured(NamedTuple):
    """One run of one contender.

    Attributes
    ----------
    cpu_us
        Microseconds of processor time an event of its processes, over the events that `per_s` is of.
    whole_cpu_us
        The same with its start, over all events.
    broker_cpu_us
        As `cpu_us`, of the broker; None where it is on another machine.
    peak_rss_mib
        The peak of its resident memory, MiB.
    """

    events: int
    per_s: float
    cpu_us: float
    whole_cpu_us: float
    broker_cpu_us: float | None
    peak_rss_mib: float

    @classmethod
    def of(cls, pace: Pace, expected: Expected, end: Snapshot) -> Self:
        """What a run's pace and the snapshot after its last work say."""
        first, broker_us = pace.at_first, None
        events = pace.records * expected.events / expected.records
        if end.broker_cpu_s is not None and first.broker_cpu_s is not None:
            broker_us = (end.broker_cpu_s - first.broker_cpu_s) * 1e6 / events
        return cls(
            events=expected.events,
            per_s=events / pace.elapsed_s,
            cpu_us=(end.contender.cpu_s - first.contender.cpu_s) * 1e6 / events,
            whole_cpu_us=end.contender.cpu_s * 1e6 / expected.events,
            broker_cpu_us=broker_us,
            peak_rss_mib=end.contender.peak_rss_bytes / (1 << 20),
        )


@dataclass
class Round:
    """One round: the run of each contender by name, and what else was seen of the worker."""

    measured: dict[str, Measured] = field(default_factory=dict)
    archive_lag_s: float = 0.0
    kept: int = 0
    commands: int = 0


@dataclass
class Stage:
    """One log on one broker, and the contenders that read it; `envelopes` has the same events in envelopes."""

    kafka: KafkaSettings
    expected: Expected
    directory: Path
    naive_s: float
    contenders: tuple[str, ...]
    broker_pid: int | None
    processes: int = 1
    envelopes: "Stage | None" = None
    flame: Path | None = None
    leftovers: list[str] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)

    @property
    def responses(self) -> str:
        """The log."""
        return self.kafka.topic(topics.RESPONSES)

    async def bare(self, number: int, found: Round) -> None:
        """Measure the bare consumer."""
        group = self.kafka.topic(f"bare-{number}")
        arguments = ["--group", group, "--topic", self.responses, "--events", str(self.expected.events)]
        with self._process([*_PYTHON, "benchmarks", "bare_consumer", *arguments], f"bare-{number}") as (
            process,
            output,
        ):
            pace = await self._pace(group, process)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 60)
            counted = json.loads(output.read_text())
        check(f"bare consumer, round {number}: events by target", counted["by_target"], self.expected.by_target)
        check("bare consumer: 400s", counted["bad_requests"], self.expected.bad_requests.total())
        found.measured["bare"] = Measured.of(pace, self.expected, pace.at_end)

    async def worker(self, number: int, found: Round, name: str = "worker") -> None:
        """Measure the worker, on empty topics beside the log, and hold its counts against the log's."""
        archive = self.directory / f"archive-{name}-{number}"
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
            "HALT400_WORKER_NATIVE": str(name != IN_PYTHON).lower(),
        }
        command = [*_PYTHON, "halt400", "worker", "--processes", str(self.processes)]
        with self._process(command, f"{name}-{number}", environment) as (process, _):
            if self.flame is not None:
                draw_flame(process.pid, self.flame)
            pace = await self._pace(group, process)
            bad_requests = self.expected.bad_requests.total()

            async def archived() -> bool:
                return manifest_counts(archive)[0] >= bad_requests

            found.archive_lag_s = await wait_until(archived, f"archive of {bad_requests} offences", 300.0, poll_s=0.5)
            end = self._snapshot(process)
            process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(process.wait, 60)
        if code != 0:
            raise StalledError(f"the worker ended with {code}")
        found.measured[name] = Measured.of(pace, self.expected, end)
        await self._check_worker(f"{name}, round {number}", found, archive)

    async def _check_worker(self, name: str, found: Round, archive: Path) -> None:
        rows = {record.key: record.value for record in await records_of(self.kafka, self.kafka.topic(topics.RATES))}
        totals = {key.decode(): decode_row(value).totals() for key, value in rows.items()}
        check(
            f"{name}: events by target",
            {target: total["responses"] for target, total in totals.items()},
            self.expected.by_target,
        )
        check(
            f"{name}: 400s by target",
            {target: total["400"] for target, total in totals.items() if total["400"]},
            self.expected.bad_requests,
        )
        bad_requests = self.expected.bad_requests.total()
        check(f"{name}: offences", await log_end(self.kafka, self.kafka.topic(topics.OFFENCES)), bad_requests)
        seen, kept = manifest_counts(archive)
        check(f"{name}: offences in the archive's manifests", seen, bad_requests)
        check(f"{name}: evidence kept as the manifests say", archived_objects(archive), kept)
        found.kept = kept
        check(f"{name}: dead letters", await log_end(self.kafka, self.kafka.topic(topics.RESPONSES_DLQ)), 0)
        found.commands = await log_end(self.kafka, self.kafka.topic(topics.CONTROL))
        check(f"{name}: commands, one for each job with a 400", found.commands, len(self.expected.bad_jobs))

    async def _pace(self, group: str, process: subprocess.Popen[bytes]) -> Pace:
        return await pace_of_group(
            self.kafka,
            group,
            self.responses,
            self.expected.records,
            lambda: process.poll() is None,
            900.0,
            partial(self._snapshot, process),
        )

    def _snapshot(self, process: subprocess.Popen[bytes]) -> Snapshot:
        return Snapshot.take(process.pid, self.broker_pid)

    async def naive(self, number: int, found: Round) -> None:
        """Measure the naive Faust agent over its bounded time."""
        group = self.kafka.topic(f"naive-{number}")
        arguments = ["--group", group, "--topic", self.responses, "--seconds", str(self.naive_s)]
        command = [*_PYTHON, "benchmarks", "naive_faust", *arguments]
        counted = await self._self_measured("naive", number, found, command, bounded=True)
        self.leftovers.append(counted["changelog"])
        changelog = await log_end(self.kafka, counted["changelog"])
        check("naive agent: changelog records", changelog, counted["events"] * WINDOWS_PER_EVENT)

    async def python_peer(self, name: str, number: int, found: Round) -> None:
        """Measure a peer of `PYTHON_PEERS`."""
        peer, group = PYTHON_PEERS[name], self.kafka.topic(f"{name}-{number}")
        command = await asyncio.to_thread(
            peer.command, self.kafka.bootstrap_servers, self.responses, group, self.naive_s
        )
        await self._self_measured(name, number, found, command, bounded=peer.bounded)
        await self._leave(group)

    async def _self_measured(
        self, name: str, number: int, found: Round, command: list[str], *, bounded: bool
    ) -> dict[str, Any]:
        """Run a contender that says by itself how far it came, in which time."""
        with self._process(command, f"{name}-{number}") as (process, output):
            await asyncio.to_thread(process.wait, self.naive_s + 180 if bounded else 900)
            if process.returncode:
                raise CannotRun(f"it ended with code {process.returncode}")
            counted: dict[str, Any] = json.loads(output.read_text())
        if bounded and counted["events"] >= self.expected.events:
            raise StalledError(f"{name} came to the end of the log; use more events or fewer seconds")
        if not bounded:
            check(f"{name}, round {number}: events", counted["events"], self.expected.events)
        check(f"{name}, round {number}: increments", counted["increments"], counted["events"] * WINDOWS_PER_EVENT)
        cpu_us = counted["cpu_s"] * 1e6 / counted["events"]
        found.measured[name] = Measured(
            events=counted["events"],
            per_s=(counted["events"] - 1) / counted["elapsed_s"],
            cpu_us=cpu_us,
            whole_cpu_us=cpu_us,
            broker_cpu_us=None,
            peak_rss_mib=counted["peak_rss_bytes"] / (1 << 20),
        )
        return counted

    async def kafka_streams(self, name: str, number: int, found: Round) -> None:
        """Measure a configuration of Kafka Streams; its sums over all windows are checked."""
        peer, group = KAFKA_STREAMS[name], self.kafka.topic(f"{name}-{number}")
        state = self.directory / f"state-{name}-{number}"
        command = await asyncio.to_thread(peer.command, self.kafka.bootstrap_servers, self.responses, group, state)
        with self._process(command, f"{name}-{number}") as (process, output):
            pace = await self._pace(group, process)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 60)
            counted = json.loads(output.read_text())
        windows, expected = peer.windows_per_event, self.expected
        by_target = {target: count * windows for target, count in expected.by_target.items()}
        check(f"{name}, round {number}: events by target", counted["by_target"], by_target)
        check(f"{name}, round {number}: 400s", counted["bad_requests"], expected.bad_requests.total() * windows)
        found.measured[name] = Measured.of(pace, expected, pace.at_end)
        await self._leave(group)

    async def _leave(self, group: str) -> None:
        """Note a peer's own topics, to be deleted."""
        self.leftovers += await topics_of(self.kafka, group)

    async def _measure(self, name: str, number: int, found: Round) -> None:
        if name in KAFKA_STREAMS:
            await self.kafka_streams(name, number, found)
        elif name in PYTHON_PEERS:
            await self.python_peer(name, number, found)
        elif name == IN_PYTHON:
            await self.worker(number, found, name)
        elif name == ENVELOPES:
            assert self.envelopes is not None
            await self.envelopes.worker(number, found, name)
        else:
            await getattr(self, name)(number, found)

    async def run(self, rounds: int) -> list[Round]:
        """Run every contender in every round, in the opposite order in every other one."""
        results = []
        for number in range(1, rounds + 1):
            found = Round()
            for contender in self.contenders if number % 2 else reversed(self.contenders):
                console.print(f"round {number} of {rounds}: {contender} ...", end=" ")
                if contender in self.not_run:
                    continue
                try:
                    await self._measure(contender, number, found)
                except (CannotRun, MiscountError) as error:
                    if isinstance(error, MiscountError) and contender not in PYTHON_PEERS:
                        raise
                    self.not_run[contender] = str(error)
                    console.print(f"not run: {error}", markup=False)
                    continue
                run = found.measured[contender]
                console.print(
                    f"{run.per_s:,.0f} events/s, {run.cpu_us:.1f} us CPU an event, {run.whole_cpu_us:.1f} with start"
                )
            results.append(found)
        return results

    async def clean_up(self) -> None:
        """Delete every topic of this run."""
        ours = [self.kafka.topic(name) for name in (*OUTPUTS, topics.RESPONSES, topics.OPERATIONS, topics.ALERTS_DLQ)]
        await delete_topics(self.kafka, ours + self.leftovers)
        if self.envelopes is not None:
            await self.envelopes.clean_up()

    @contextmanager
    def _process(
        self, command: list[str], name: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run a command; its output goes to a file, its log to another, shown when things go wrong."""
        output, log = self.directory / f"{name}.out", self.directory / f"{name}.log"
        # As installed, Python keeps compiled modules.
        left_out = ("HALT400_", "PYTHONDONTWRITEBYTECODE")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        connection = {key: value for key, value in os.environ.items() if key.startswith("HALT400_KAFKA_")}
        ours = {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(self.kafka.partitions),
        }
        with output.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                env=inherited | connection | ours | dict(environment or {}),
                stdout=stdout,
                stderr=stderr,
            )
        try:
            yield process, output
        except BaseException:
            console.print(log.read_text(errors="replace")[-2000:], markup=False)
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
