"""``make chaos``: draws or reads a schedule of faults, runs it, judges it, and reports; see docs/reliability.md."""

import argparse
import asyncio
import logging
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos.campaign import CampaignResult, Plan, run_campaign
from chaos.campaign_log import (
    CampaignAim,
    LoggedRun,
    add_run,
    code_version,
    kinds_short_of,
    next_seed,
    now_utc,
    read_runs,
)
from chaos.checker import check
from chaos.mounts import take_own_mounts
from chaos.report import describe
from chaos.report_section import write_section
from chaos.schedule import KINDS, SLOW, TELLING, Fault, draw, read_schedule, read_seed, shrink, write_schedule
from chaos.summary import summarize
from halt400.errors import Halt400Error

__all__ = ["main"]

DEFAULT_SEED = 400
RESULT = "result.pickle"
AFTERWARDS_S = 5.0
CANNOT_RUN = (Halt400Error, OSError, ValueError, TimeoutError, RuntimeError, subprocess.SubprocessError)
MOST_IN_VAIN = 3
"""Of a long campaign so many runs may come to no judgement."""


def main(arguments: list[str]) -> int:
    """Run; 0 without a violation, 1 with one, 2 where a campaign could not be run, 130 and 143 where it was stopped."""
    given = _parser().parse_args(arguments)
    given.minutes = given.minutes or (None if given.schedule else 1.0 if given.short else 3.5)
    given.kinds = given.kinds or list(TELLING if given.short else KINDS)
    given.aim = CampaignAim(given.each, given.total)
    if given.short:
        given.per_s /= 2
    logging.basicConfig(level=logging.CRITICAL)
    given.small_disks, given.code = take_own_mounts(), code_version()
    stopped: list[signal.Signals] = []
    try:
        given.schedule = [(path.stem, path.read_text()) for path in given.schedule or ()]
        return asyncio.run(_main(given, stopped))
    except asyncio.CancelledError:
        return 128 + stopped[0]
    except CANNOT_RUN as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--seed", type=int, nargs="+", help="0 for a random one (400, or a schedule's)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="of traffic and faults, for each seed (3.5; 1 with --short; those of the schedule)",
    )
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), help="of faults (all)")
    parser.add_argument("--short", action="store_true", help="a minute with the kinds that tell most, less traffic")
    parser.add_argument("--schedule", type=Path, nargs="+", help="faults from files, as runs leave them, one by one")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1], help="detect processes of each worker (1); of several in turn"
    )
    parser.add_argument("--scrapers", type=int, default=2)
    parser.add_argument("--per-s", type=float, default=300.0, help="requests a second of each scraper (300)")
    parser.add_argument("--earlier", type=Path, help="checkout of a release that the workers begin with")
    parser.add_argument("--events", type=int, help="in all, instead of --per-s")
    parser.add_argument("--gap-s", type=float, default=4.0, help="most seconds from one fault to the next (4)")
    parser.add_argument(
        "--overlap", type=float, default=0.4, help="share of faults that last while the next come (0.4)"
    )
    parser.add_argument("--each", type=int, default=0, help="go on with the next seeds until so many faults of a kind")
    parser.add_argument("--total", type=int, default=0, help="and so many events")
    parser.add_argument("--log", type=Path, help="file with a line for each run, which a long campaign goes on from")
    parser.add_argument("--sitting", type=float, help="begin no further seed after so many minutes")
    parser.add_argument("--shrink", action="store_true", help="where a run fails, look for the fewest faults that do")
    parser.add_argument("--keep", type=Path, help="directory for what a run leaves behind (a temporary one)")
    parser.add_argument("--judge", type=Path, nargs="+", metavar="DIRECTORY", help="judge kept runs again, run nothing")
    parser.add_argument("--report", type=Path, help="page whose section of the campaign is written, if all were run")
    return parser


async def _main(given: argparse.Namespace, stopped: list[signal.Signals]) -> int:
    _clean_up_on_signals(stopped)
    before = read_runs(given.log) if given.log else []
    runs: list[LoggedRun] = []

    def note(run: LoggedRun) -> None:
        runs.append(run)
        if given.log is not None:
            add_run(given.log, run)
        _report(given, before + runs)

    runs += [_logged(given, _judge_again(directory), directory.name) for directory in given.judge or ()]
    for name, text in given.schedule:
        note(await _run_schedule(given, name, text))
    in_vain = 0
    for seed in _seeds(given, before, runs) if not runs else ():
        faults = draw(seed, given.minutes * 60, _kinds(given, before + runs), gap_s=given.gap_s, overlap=given.overlap)
        try:
            note(await _run_and_shrink(given, seed, faults, f"seed-{seed}"))
        except CANNOT_RUN as error:
            in_vain += 1
            if not given.log or in_vain > MOST_IN_VAIN:
                raise
            print(f"Seed {seed} could not be judged: {error}", file=sys.stderr, flush=True)
    _report(given, before + runs)
    return 1 if any(run.summary.violations for run in runs) else 2 if in_vain else 0


def _report(given: argparse.Namespace, runs: list[LoggedRun]) -> None:
    if given.report is not None:
        write_section(given.report, runs, given.aim)


def _seeds(given: argparse.Namespace, before: list[LoggedRun], runs: list[LoggedRun]) -> Iterator[int]:
    """Those that were asked for; of a long campaign the next ones, until there is enough or the sitting is over."""
    began = time.monotonic()
    asked = given.seed or ([] if given.log else [DEFAULT_SEED])
    for wanted in asked:
        yield wanted or secrets.randbits(31)
    if not given.each and not given.total and asked:
        return
    seed = next_seed(before, DEFAULT_SEED) if not asked else max(asked) + 1
    while given.sitting is None or time.monotonic() - began < given.sitting * 60:
        known = [run.summary for run in before + runs]
        is_enough = not kinds_short_of(given.aim, known, given.kinds)
        if is_enough and sum(one.events for one in known) >= given.aim.events:
            return
        yield seed
        seed += 1


def _kinds(given: argparse.Namespace, runs: list[LoggedRun]) -> list[str]:
    """Kinds of fault that a long campaign has too few of; all, where it has enough of most but the slow ones."""
    short = kinds_short_of(given.aim, [run.summary for run in runs], given.kinds)
    are_slow = bool(short) and SLOW.issuperset(short)
    return short if are_slow or len(short) > len(given.kinds) // 2 else given.kinds


async def _run_schedule(given: argparse.Namespace, name: str, text: str) -> LoggedRun:
    """Run the faults of a file, with the seed that it names."""
    faults = read_schedule(text)
    print(f"{name}: {len(faults)} faults", flush=True)
    return await _run_and_shrink(given, given.seed[0] if given.seed else read_seed(text), faults, name)


async def _run_and_shrink(given: argparse.Namespace, seed: int, faults: list[Fault], name: str) -> LoggedRun:
    outcome = await _run(given, seed, faults, name)
    found = _logged(given, outcome, name)
    if outcome.violations and given.shrink:
        await _shrink(given, outcome)
    return found


def _logged(given: argparse.Namespace, outcome: CampaignResult, name: str) -> LoggedRun:
    plan = outcome.plan
    setting = {"per_s": f"{plan.per_s:g}", "workers": f"{plan.workers}", "processes": f"{plan.processes}"}
    if name.startswith("seed-"):
        setting |= {"gap_s": f"{given.gap_s:g}", "overlap": f"{given.overlap:g}"}
    return LoggedRun(
        code=given.code,
        at=now_utc(),
        name=name,
        setting=setting,
        summary=summarize(outcome),
        schedule=write_schedule(plan.faults) if outcome.violations else "",
    )


def _clean_up_on_signals(stopped: list[signal.Signals]) -> None:
    """Cancel this task at the first SIGINT or SIGTERM; further ones do not cut short how it cleans up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop(number: signal.Signals) -> None:
        print(f"chaos: {number.name}: stopping brokers, workers, scrapers and S3", file=sys.stderr, flush=True)
        stopped.append(number)
        if len(stopped) == 1 and task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


async def _run(given: argparse.Namespace, seed: int, faults: Sequence[Fault], name: str) -> CampaignResult:
    seconds = given.minutes * 60 if given.minutes else max(one.at_s + one.for_s for one in faults) + AFTERWARDS_S
    per_s = given.per_s if given.events is None else given.events / seconds / given.scrapers
    processes = given.processes[seed % len(given.processes)]
    plan = Plan(
        seed,
        seconds,
        faults,
        given.workers,
        given.scrapers,
        per_s,
        processes,
        small_disks=given.small_disks,
        earlier=given.earlier and given.earlier.resolve(),
    )
    directory = Path(tempfile.mkdtemp(prefix="halt400-chaos-")) if given.keep is None else given.keep / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    began = time.monotonic()
    try:
        outcome = await run_campaign(
            plan, directory, lambda text: print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)
        )
    except asyncio.CancelledError:
        if given.keep is None:
            shutil.rmtree(directory)
        raise
    except Exception:
        print(f"Logs are in {directory}.", flush=True)
        raise
    if given.log is None or outcome.violations:
        (directory / RESULT).write_bytes(pickle.dumps(outcome))
    (directory / "schedule.txt").write_text(f"# seed {seed}\n{write_schedule(faults)}")
    print(describe(outcome), flush=True)
    if outcome.violations:
        print(
            f"Logs and schedule are in {directory}. Again: python -m chaos --schedule {directory}/schedule.txt",
            flush=True,
        )
    elif given.keep is None:
        shutil.rmtree(directory)
    return outcome


def _judge_again(directory: Path) -> CampaignResult:
    """Read what a run with ``--keep`` has left, and judge it by the invariants of today."""
    outcome: CampaignResult = pickle.loads((directory / RESULT).read_bytes())
    outcome.violations = check(outcome.history)
    print(describe(outcome), flush=True)
    return outcome


async def _shrink(given: argparse.Namespace, failed: CampaignResult) -> None:
    """Look for the fewest faults that break one of the same invariants."""
    broken = {violation.invariant for violation in failed.violations}
    runs = 0

    async def fails(faults: Sequence[Fault]) -> bool:
        nonlocal runs
        runs += 1
        print(f"shrinking, run {runs}: {len(faults)} faults", flush=True)
        outcome = await _run(given, failed.plan.seed, faults, f"shrink-{runs}")
        return bool(broken & {violation.invariant for violation in outcome.violations})

    smallest = await shrink(failed.plan.faults, fails)
    print(f"The smallest schedule that fails, after {runs} runs:\n{write_schedule(smallest)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
