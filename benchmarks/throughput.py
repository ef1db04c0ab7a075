"""How fast the whole worker is, beside a bare consumer and a naive Faust agent: ``python -m benchmarks throughput``.

One log of realistic events is put on a real broker once. Then, in alternating order, round after round, each as an
operating-system process with a consumer group of its own, read it from the beginning:

bare
    An aiokafka consumer that decodes as the worker does, counts per target, and does nothing else.
worker
    ``halt400 worker`` as it is installed: detection, changelog, offences, commands, archive to a directory, API.
worker-python
    The same worker without its native extension.
worker-envelopes
    The same worker on a log that has the same events in envelopes.
naive
    A Faust agent with a hopping table and the stock transport, for a bounded time.
kstreams-tumbling, kstreams-hopping, kstreams-exactly-once, quix, bytewax
    Other stream processors, see `benchmarks.throughput_peers`; with ``--all``, or by name with ``--only``.

Bare and worker are measured alike, from outside: from the first committed offset seen to the commit that reaches the
log's end, with what the first commit covers left out; so neither start nor join counts. The naive agent is measured by
itself from its first event to its last. Every count is checked against what was put on the log.

A rate depends on what else the machine does; so beside it stands the processor time an event, by the kernel's
accounting, of the contender's processes over the same span (of the worker until its last evidence is in the archive).
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.counts import MiscountError, check
from benchmarks.events import generate
from benchmarks.outside import StalledError, log_end
from benchmarks.preload import Expected, preload
from benchmarks.throughput_peers import KAFKA_STREAMS, PYTHON_PEERS
from benchmarks.throughput_report import (
    MOST_OF_BASELINE,
    check_baseline,
    join_reports,
    make_report,
    markdown,
    print_report,
)
from benchmarks.throughput_stage import ENVELOPES, IN_PYTHON, Stage, console
from halt400.errors import Halt400Error
from streams import topics
from streams.local import LocalKafka
from streams.packed import find_native
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main"]

EVENTS_PER_S = 20_000
MOST_OF_BASELINE_SHORT = 1.6
SHORT_ATTEMPTS = 3
"""A busy machine may make one look slow; a slower worker is slow each time."""
CONTENDERS = ("bare", "worker", IN_PYTHON, ENVELOPES, *KAFKA_STREAMS, *PYTHON_PEERS, "naive")


async def _measure(
    given: argparse.Namespace, bootstrap_servers: str, broker_pid: int | None, directory: Path
) -> dict[str, Any]:
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
    expected = await _put_log(given, kafka, envelopes=False)
    twin: Stage | None = None
    if ENVELOPES in given.contenders:
        beside = kafka.model_copy(update={"topic_prefix": f"{kafka.topic_prefix}envelopes."})
        shared = await _put_log(given, beside, envelopes=True)
        twin = Stage(beside, shared, directory, given.naive_seconds, (), broker_pid, given.processes)
    contenders = tuple(given.contenders)
    bench = Stage(
        kafka, expected, directory, given.naive_seconds, contenders, broker_pid, given.processes, twin, given.flame
    )
    try:
        rounds = await bench.run(given.rounds)
    finally:
        await bench.clean_up()
    return make_report(given, expected, rounds, bench.not_run)


async def _put_log(given: argparse.Namespace, kafka: KafkaSettings, *, envelopes: bool) -> Expected:
    await apply_topics(kafka)
    start_ms = time.time_ns() // 1_000_000 - given.events * 1000 // EVENTS_PER_S
    responses = kafka.topic(topics.RESPONSES)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("events onto the log", total=given.events)
        began_s = time.monotonic()
        expected = await preload(
            kafka,
            responses,
            kafka.partitions,
            generate(given.events, given.targets, seed=given.seed, start_ms=start_ms, events_per_s=EVENTS_PER_S),
            lambda done: progress.update(task, completed=done),
            envelopes=envelopes,
        )
    check("records on the log", await log_end(kafka, responses), expected.records)
    console.print(
        f"{expected.events:,} events of {expected.value_bytes / expected.events:.0f} bytes in {expected.records:,} "
        f"records, {expected.bad_requests.total():,} of them 400s, put on {kafka.partitions} partitions "
        f"in {time.monotonic() - began_s:.0f} s"
    )
    return expected


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 where the ratios, or with ``--check`` the baseline, are held; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks throughput", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, help="events on the log (2,000,000; 400,000 with --quick)")
    parser.add_argument("--rounds", type=int, help="rounds (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a shorter run, of less precision")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--processes", type=int, default=1, help="detect processes of the worker (1)")
    parser.add_argument("--seed", type=int, default=400)
    parser.add_argument("--naive-seconds", type=float, help="how long the naive agent runs (20; 8 with --quick)")
    parser.add_argument("--only", dest="contenders", nargs="+", choices=CONTENDERS)
    parser.add_argument("--all", action="store_true", help="every contender, Kafka Streams, Quix and Bytewax included")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write docs/performance.md")
    parser.add_argument("--check", type=Path, metavar="FILE", help="compare CPU of worker / bare with a baseline only")
    parser.add_argument(
        "--short", action="store_true", help="the check of CI: 250,000 events, a wide bound; again where it is not held"
    )
    parser.add_argument("--flame", type=Path, metavar="FILE", help="draw a flame graph of the worker, by py-spy")
    parser.add_argument("--join", type=Path, nargs="+", metavar="FILE", help="tell of runs kept by --json, run none")
    given = parser.parse_args(arguments)
    if given.short:
        given.events, given.rounds = given.events or 250_000, given.rounds or 1
        given.contenders = given.contenders or ["bare", "worker"]
    logging.basicConfig(level=logging.ERROR)
    given.events = given.events or (400_000 if given.quick else 2_000_000)
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.naive_seconds = given.naive_seconds or (8.0 if given.quick else 20.0)
    given.contenders = given.contenders or (list(CONTENDERS) if given.all else ["bare", "worker", "naive"])
    attempts = SHORT_ATTEMPTS if given.short else 1
    return 0 if any(_run(given) for _ in range(attempts)) else 1


def _run(given: argparse.Namespace) -> bool:
    """Measure and tell; whether what is asked for is held."""
    report = _measured(given)
    if report is None:
        return False
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    if given.write is not None:
        given.write.write_text(markdown(report))
    if given.check is not None:
        most = MOST_OF_BASELINE_SHORT if given.short else MOST_OF_BASELINE
        return check_baseline(report, given.check, most)
    return bool(report["passed"])


def _measured(given: argparse.Namespace) -> dict[str, Any] | None:
    if not given.join and find_native() is None:
        console.print("The worker's native extension is not built, so it is measured without: python hatch_build.py")
    cluster = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    try:
        if given.join:
            return join_reports(given.join)
        with (
            tempfile.TemporaryDirectory(prefix="halt400-bench-") as directory,
            nullcontext() if cluster else LocalKafka() as local,
        ):
            servers = local.bootstrap_servers if local is not None else str(cluster)
            pid = local.pid if local is not None else None
            return asyncio.run(_measure(given, servers, pid, Path(directory)))
    except (Halt400Error, StalledError, MiscountError) as error:
        console.print(f"throughput: {error}", style="bold red", markup=False)
        return None
