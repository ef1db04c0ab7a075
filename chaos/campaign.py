"""One campaign: start the stage, run the schedule of faults under traffic, let all settle, read and judge."""

import asyncio
import errno
import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError

from chaos.bursts import canary
from chaos.checker import check
from chaos.faults import Faults
from chaos.history import History
from chaos.observer import CampaignObserver
from chaos.schedule import Fault
from chaos.stage import CampaignStage
from chaos.violation import Violation
from halt400.errors import Halt400Error, LocalServiceError
from halt400.operations import operation_id
from halt400.records import Operation, Scope

__all__ = ["CampaignResult", "Plan", "run_campaign"]

START_ATTEMPTS = 3
READY_S = 180.0
STANDS_S = 120.0
"""Nothing is waited for when nothing has moved for so long."""
SETTLE_S = 600.0
QUIET_S = 6.0
CANARY_S = 1.0
OPERATION_S = 2.0


@dataclass(frozen=True)
class Plan:
    """What to run: the seed decides traffic and operations, `faults` what happens to it for `seconds`."""

    seed: int
    seconds: float
    faults: Sequence[Fault]
    workers: int = 2
    scrapers: int = 2
    per_s: float = 300.0
    processes: int = 1
    small_disks: bool = False
    earlier: Path | None = None


@dataclass
class CampaignResult:
    """What came of it."""

    plan: Plan
    history: History
    violations: list[Violation]
    spans: list[tuple[Fault, int, int]]
    skipped: dict[str, str]
    took_s: float
    settled_s: float | None
    exits: dict[str, list[tuple[int, int]]]
    peak_rss_bytes: int = 0
    peak_descriptors: int = 0
    longest_wait_s: float = 0.0


async def run_campaign(plan: Plan, directory: Path, say: Callable[[str], None]) -> CampaignResult:
    """Run one campaign in an empty directory, which has the logs of its processes afterwards."""
    started = time.monotonic()
    say("starting brokers, S3, workers and scrapers")
    stage = await _started(plan, directory, say)
    observer = CampaignObserver(stage)
    faults = Faults(stage, plan.seed, observer.remember)
    background: list[asyncio.Task[None]] = []
    try:
        await _until(lambda: all("Ready:" in worker.log_text() for worker in stage.regular), READY_S, "the workers")
        background = [
            asyncio.create_task(work)
            for work in (_keep(stage), observer.watch(), _canaries(stage), _operations(stage, plan.seed))
        ]
        await _run_faults(plan, faults, background, say)
        say("faults are over, waiting until all is counted, archived and paged")
        for task in background[2:]:
            task.cancel()
        await stage.stop_scrapers()
        settled_s = await _settle(observer, stage)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        exits = {worker.name: worker.ended for worker in stage.workers}
        codes = await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in stage.regular))
        observer.history.exit_codes = {worker.name: code for worker, code in zip(stage.regular, codes, strict=True)}
        say("reading what is left, and judging it")
        await observer.read_all()
        history = observer.history
        ends = [at_ms for ended in exits.values() for at_ms, _ in ended]
        history.topic_faults = faults.topic_faults
        history.late_stops = {worker.name: worker.late for worker in stage.workers}
        history.disturbances_ms = faults.disturbances_ms + ends
        violations = await asyncio.to_thread(check, history)
        return CampaignResult(
            plan,
            history,
            violations,
            faults.spans,
            faults.skipped,
            time.monotonic() - started,
            settled_s,
            exits,
            observer.peak_rss_bytes,
            observer.peak_descriptors,
            observer.longest_wait_s,
        )
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await stage.stop()


async def _started(plan: Plan, directory: Path, say: Callable[[str], None]) -> CampaignStage:
    """A stage that runs; on other ports where another program took one between its choice and its use."""
    for attempt in range(1, START_ATTEMPTS + 1):
        stage = CampaignStage(
            directory,
            plan.seed,
            workers=plan.workers,
            scrapers=plan.scrapers,
            per_s=plan.per_s,
            processes=plan.processes,
            small_disks=plan.small_disks,
            earlier=plan.earlier,
        )
        try:
            await stage.start()
        except BaseException as error:
            await stage.stop()
            if not _lost_a_port(error) or attempt == START_ATTEMPTS:
                raise
            say(f"a port was taken meanwhile, once more: {error}")
        else:
            return stage
    raise AssertionError("unreachable")


def _lost_a_port(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.EADDRINUSE
    return isinstance(error, LocalServiceError) and any(
        words in str(error) for words in ("is in use", "already in use", "BindException")
    )


async def _run_faults(
    plan: Plan, faults: Faults, background: list[asyncio.Task[None]], say: Callable[[str], None]
) -> None:
    began = time.monotonic()
    running: set[asyncio.Task[None]] = set()
    try:
        for number, fault in enumerate(plan.faults, 1):
            await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
            say(f"{number}/{len(plan.faults)} at {time.monotonic() - began:.0f} s: {fault.kind} for {fault.for_s:g} s")
            running.add(asyncio.create_task(faults.run(fault)))
            for failed in (one for one in (*running, *background) if one.done() and not one.cancelled()):
                failed.result()
        await asyncio.gather(*running)
        await asyncio.sleep(max(0.0, began + plan.seconds - time.monotonic()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _keep(stage: CampaignStage) -> None:
    """Start workers again that ended, as an orchestrator does."""
    while True:
        for worker in stage.regular:
            worker.keep()
        await asyncio.sleep(0.5)


async def _canaries(stage: CampaignStage) -> None:
    waiting: set[asyncio.Task[None]] = set()
    for number in itertools.count():
        task = asyncio.create_task(canary(stage, number))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        await asyncio.sleep(CANARY_S)


async def _operations(stage: CampaignStage, seed: int) -> None:
    """People that release, extend and quarantine jobs, whatever their state."""
    rng = random.Random(seed)
    while True:
        await asyncio.sleep(OPERATION_S)
        kind = rng.choice(("release", "release", "extend", "quarantine"))
        scope = Scope(
            kind="job", target=f"api.shop-{rng.randrange(24):02d}.example", job_id=f"extract-{rng.randrange(3)}"
        )
        operation = Operation(
            operation_id=operation_id(),
            time=int(time.time() * 1000),
            kind=kind,
            scope=scope,
            actor="ada",
            reason="chaos",
            hold_s=None if kind == "release" else rng.randrange(1, 6),
        )
        with suppress(Halt400Error):
            await stage.operations.send(operation)


async def _settle(observer: CampaignObserver, stage: CampaignStage) -> float | None:
    """Wait until nothing is left to do for some seconds; how long the lag took, None where it was not in time."""
    began = moved = time.monotonic()
    quiet_since: float | None = None
    pages, least = -1, None
    while (now := time.monotonic()) - began < SETTLE_S and now - moved < STANDS_S:
        try:
            lag = sum((await observer.lag()).values())
            is_quiet = not lag and all(one.is_ready for one in stage.regular) and len(observer.history.pages) == pages
            if least is None or lag < least:
                least, moved = lag, now
        except (KafkaError, TimeoutError, OSError):
            is_quiet = False
        if len(observer.history.pages) != pages:
            moved = now
        pages = len(observer.history.pages)
        quiet_since = (quiet_since or now) if is_quiet else None
        if quiet_since is not None and time.monotonic() - quiet_since > QUIET_S:
            return quiet_since - began
        await asyncio.sleep(0.5)
    return None


async def _until(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} were not ready within {deadline_s:g} s")
        await asyncio.sleep(0.2)
