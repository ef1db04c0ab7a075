"""S3 away, S3 away with the worker killed, and S3 slow: detection does not feel it, and no evidence is lost.

One worker (both of its processes) on a local Kafka and a local S3 server, 2,000 events/s with 5% 400s over 1,000
targets. Latency is by the logs' own times: from the broker's append of a 400 to the sending of its offence, or of the
command that it led to. Three runs, each checked; the exit code is 1 when a check fails:

``away``
    S3 is stopped and started again on the same port and data. Latency while it is away is compared with latency before,
    in the same run. Afterwards every offence of the log is in the bucket once, or counted in its manifest as left out.
``killed``
    The same, and the whole worker is SIGKILLed in the middle and started again.
``slow``
    Every upload takes 2 s longer: the backlog drains at 100 objects/s or more, in bounded memory. Every one is kept.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.outage_stage import SlowProxy, Stage, Worker
from benchmarks.outside import StalledError, wait_until
from halt400.errors import Halt400Error
from streams.local import LocalKafka, LocalS3
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main", "run_away", "run_slow"]

PER_S = 2000
BAD_REQUEST_RATIO = 0.05
WARM_UP_S = 10.0
LEAST_PER_S = 100.0
MOST_RSS_BYTES = 512 * 1024 * 1024
MOST_MEDIAN_RATIO = 1.25
MOST_P99_RATIO = 2.0

console = Console(stderr=True)


async def run_away(
    kafka: KafkaSettings,
    directory: Path,
    away_s: float,
    *,
    kill: bool,
    around_s: float,
    per_s: int = PER_S,
    warm_up_s: float = WARM_UP_S,
    **archive: Any,
) -> dict[str, Any]:
    """Stop S3 for `away_s` with `around_s` of traffic before and after; what was seen. `archive` goes to the stage.

    Raises
    ------
    StalledError
        The worker ended, or did not archive everything in time.
    """
    with LocalS3() as s3:
        s3.create_bucket("evidence")
        stage = Stage(kafka, s3, directory, **archive)
        await apply_topics(kafka)
        _as_if_elsewhere(s3)
        with stage.worker() as worker:
            warm = await _warm_up(stage, worker, per_s, warm_up_s)
            started = time.time()
            measuring = asyncio.create_task(_measure(worker))
            publishing = asyncio.create_task(
                stage.publish(2 * around_s + away_s, per_s, BAD_REQUEST_RATIO, seed=secrets.randbits(31))
            )
            await asyncio.sleep(around_s)
            await asyncio.to_thread(s3.kill)
            gone = time.time()
            killed = None
            if kill:
                await asyncio.sleep(away_s / 2)
                worker.kill()
                killed = time.time()
                with stage.worker() as worker:
                    measuring.cancel()
                    measuring = asyncio.create_task(_measure(worker))
                    await asyncio.sleep(gone + away_s - time.time())
                    found = await _afterwards(stage, s3, worker, publishing, warm)
            else:
                await asyncio.sleep(gone + away_s - time.time())
                found = await _afterwards(stage, s3, worker, publishing, warm)
            measuring.cancel()
            found["peak_rss_mib"] = {role: rss // 2**20 for role, rss in worker.peak_rss.items()}
        heard = await stage.heard()
    phases = {"before": (started, gone), "away": (gone + 1, found["back_at"]), "after": (found["back_at"], time.time())}
    for name in ("offences", "commands"):
        latencies = getattr(heard, name)
        found[f"{name}_latency"] = {
            phase: _quantiles([late for at, late in latencies if first <= at < end])
            for phase, (first, end) in phases.items()
        }
    found["killed_after_s"] = round(killed - gone, 1) if killed is not None else None
    return found


def _as_if_elsewhere(s3: LocalS3) -> None:
    """Let S3 give way to the worker's processor time, which it would not take if it were not on this machine."""
    if s3.pid is not None:
        os.setpriority(os.PRIO_PGRP, s3.pid, 15)


async def _warm_up(stage: Stage, worker: Worker, per_s: int, warm_up_s: float) -> int:
    """Traffic until the worker is ready and has caught up; how many 400s it had."""
    published = await stage.publish(warm_up_s, per_s, BAD_REQUEST_RATIO, seed=secrets.randbits(31))

    async def caught_up() -> bool:
        if not worker.works:
            raise StalledError("the worker ended")
        return await stage.offences() >= published and await stage.committed()

    await wait_until(caught_up, "the warm-up", 120.0, poll_s=0.5)
    return published


async def _afterwards(
    stage: Stage, s3: LocalS3, worker: Worker, publishing: "asyncio.Task[int]", warm: int
) -> dict[str, Any]:
    """Start S3 again, wait until all is archived, and hold the bucket against the log."""
    backlog = time.time()
    await asyncio.to_thread(s3.start)
    _as_if_elsewhere(s3)
    back_at = time.time()
    published = await publishing

    async def archived() -> bool:
        if not worker.works:
            raise StalledError("the worker ended")
        return await stage.offences() >= published + warm and await stage.committed()

    await wait_until(archived, "archiving of everything", 600.0, poll_s=0.5)
    drained_s = time.time() - back_at
    accounts = await stage.accounts(published + warm)
    code = await asyncio.to_thread(worker.stop)
    return {
        "back_at": back_at,
        "s3_start_s": round(back_at - backlog, 1),
        "bad_requests": published,
        "settled_after_s": round(drained_s, 1),
        "accounts": vars(accounts) | {"exact": accounts.exact},
        "exit_code": code,
    }


async def run_slow(kafka: KafkaSettings, directory: Path, offences: int, delay_s: float) -> dict[str, Any]:
    """Have `offences` of different jobs archived by a store whose uploads take `delay_s`; what was seen."""
    with LocalS3() as s3:
        s3.create_bucket("evidence")
        async with SlowProxy(s3.port, delay_s) as proxy:
            stage = Stage(kafka, s3, directory, storm_keep=None, endpoint_url=proxy.url)
            await apply_topics(kafka)
            await stage.publish(offences / PER_S, PER_S, 1.0, seed=secrets.randbits(31))
            with stage.worker() as worker:
                measuring = asyncio.create_task(_measure(worker))

                async def archived() -> bool:
                    if not worker.works:
                        raise StalledError("the worker ended")
                    return len(proxy.uploads) >= offences and await stage.committed()

                await wait_until(archived, "archiving of everything", 120.0 + offences / 20, poll_s=1.0)
                measuring.cancel()
                code = await asyncio.to_thread(worker.stop)
            accounts = await stage.accounts(offences)
    # The middle eight tenths: neither starting nor the last few uploads are a pace.
    first, last = proxy.uploads[offences // 10], proxy.uploads[offences * 9 // 10]
    return {
        "delay_s": delay_s,
        "objects": len(proxy.uploads),
        "objects_per_s": round((offences * 9 // 10 - offences // 10) / (last - first), 1),
        "most_at_once": proxy.most_at_once,
        "peak_rss_mib": {role: rss // 2**20 for role, rss in worker.peak_rss.items()},
        "accounts": vars(accounts) | {"exact": accounts.exact},
        "exit_code": code,
    }


async def _measure(worker: Worker) -> None:
    while worker.works:
        await asyncio.to_thread(worker.measure)
        await asyncio.sleep(1.0)


def _quantiles(values: list[float]) -> dict[str, float]:
    """Count, median and 99th percentile, in milliseconds."""
    if len(values) < 2:
        return {"n": len(values)}
    cuts = statistics.quantiles(values, n=100)
    return {"n": len(values), "median_ms": round(cuts[49] * 1000, 1), "p99_ms": round(cuts[98] * 1000, 1)}


def _failures(name: str, found: dict[str, Any]) -> list[str]:
    """What is not as it must be, in words."""
    failures = []
    if not found["accounts"]["exact"]:
        failures.append(f"{name}: the archive is not what the log says: {found['accounts']}")
    if found["exit_code"]:
        failures.append(f"{name}: the worker ended with {found['exit_code']}")
    if name == "away":
        latency = found["offences_latency"]
        for figure, most in (("median_ms", MOST_MEDIAN_RATIO), ("p99_ms", MOST_P99_RATIO)):
            ratio = latency["away"][figure] / latency["before"][figure]
            found[f"{figure.removesuffix('_ms')}_away_of_before"] = round(ratio, 2)
            if ratio > most:
                failures.append(f"{name}: {figure} of detection is {ratio:.2f} times that of before, more than {most}")
    if name == "slow" and found["objects_per_s"] < LEAST_PER_S:
        failures.append(f"{name}: {found['objects_per_s']} objects/s, fewer than {LEAST_PER_S:g}")
    if found["peak_rss_mib"]["follow_up"] * 2**20 > MOST_RSS_BYTES:
        failures.append(f"{name}: {found['peak_rss_mib']} MiB, more than {MOST_RSS_BYTES // 2**20} of the follow-up")
    return failures


async def _run(given: argparse.Namespace, bootstrap_servers: str, directory: Path) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for name in given.runs:
        kafka = KafkaSettings(
            bootstrap_servers=bootstrap_servers, topic_prefix=f"outage-{secrets.token_hex(4)}.", partitions=4
        )
        console.print(f"{name} …")
        place = directory / name
        place.mkdir()
        try:
            if name == "slow":
                report[name] = await run_slow(kafka, place, given.offences, given.delay)
            else:
                report[name] = await run_away(
                    kafka, place, given.seconds, kill=name == "killed", around_s=min(40.0, given.seconds / 2)
                )
        except BaseException:
            console.print((place / "worker.log").read_text(errors="replace")[-4000:], markup=False)
            raise
    report["failures"] = [failure for name in given.runs for failure in _failures(name, report[name])]
    return report


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when every check holds, 1 otherwise. The report is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks outage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="how long S3 is away (180)")
    parser.add_argument("--offences", type=int, default=12_000, help="backlog of the slow run (12,000)")
    parser.add_argument("--delay", type=float, default=2.0, help="seconds that an upload takes longer (2)")
    parser.add_argument("--runs", nargs="+", choices=("away", "killed", "slow"), default=["away", "killed", "slow"])
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="halt400-outage-") as directory, LocalKafka() as broker:
            report = asyncio.run(_run(given, broker.bootstrap_servers, Path(directory)))
    except (Halt400Error, StalledError) as error:
        console.print(f"outage: {error}", style="bold red", markup=False)
        return 1
    print(json.dumps(report | {"cpus": os.cpu_count()}, indent=2))
    for failure in report["failures"]:
        console.print(failure, style="bold red", markup=False)
    return 1 if report["failures"] else 0
