"""The runs of a campaign that lasts over many sittings: one line each, in a file that is kept with the code."""

import datetime as dt
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from chaos.schedule import KINDS
from chaos.summary import CampaignSummary

__all__ = ["CampaignAim", "LoggedRun", "add_run", "code_version", "kinds_short_of", "next_seed", "read_runs"]

ROOT = Path(__file__).parents[1]
WRITTEN_BY_CAMPAIGNS = ("chaos/campaign.jsonl", "docs/reliability.md")


class LoggedRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line.

    Attributes
    ----------
    code
        The commit whose code ran; with a plus where files differed from it.
    at
        When it was judged, UTC.
    name
        ``seed-400``, or that of its schedule.
    setting
        The options that decide what was drawn: of traffic, of workers, of how dense the faults are.
    summary
        What came of it.
    schedule
        Its faults, where there is a violation.
    mend
        Written by hand: what was wrong, and the test that holds its mend; empty where nobody has looked yet.
    """

    code: str
    at: str
    name: str
    setting: dict[str, str]
    summary: CampaignSummary
    schedule: str = ""
    mend: str = ""


class CampaignAim(msgspec.Struct, frozen=True):
    """When a long campaign is over: `each` faults of every kind that is possible, and `events` events."""

    each: int = 0
    events: int = 0


def add_run(path: Path, run: LoggedRun) -> None:
    """Append one line."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")


def read_runs(path: Path) -> list[LoggedRun]:
    """Every line, in their order; none where there is no file.

    Raises
    ------
    ValueError
        A line is no run; the message has its number.
    """
    found = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else (), 1):
        try:
            found.append(msgspec.json.decode(line, type=LoggedRun))
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path}: line {number} is no run of a campaign: {error}") from error
    return found


def next_seed(runs: Iterable[LoggedRun], first: int) -> int:
    """The seed after the greatest that was drawn, `first` where none was."""
    drawn = [run.summary.seed for run in runs if run.name == f"seed-{run.summary.seed}"]
    return max(drawn) + 1 if drawn else first


def kinds_short_of(aim: CampaignAim, runs: Sequence[CampaignSummary], kinds: Sequence[str]) -> list[str]:
    """Kinds of which there were too few yet, those left out that no run could do."""
    times = dict.fromkeys(KINDS, 0)
    for run in runs:
        for kind, count in run.faults.items():
            times[kind] = times.get(kind, 0) + count
    impossible = {kind for run in runs for kind in run.skipped if not times[kind]}
    return [kind for kind in kinds if times[kind] < aim.each and kind not in impossible]


def code_version() -> str:
    """The commit of this checkout; ``unknown`` where it is none."""
    try:
        commit = _git("rev-parse", "--short=10", "HEAD").strip()
        changed = [line[3:] for line in _git("status", "--porcelain", "--untracked-files=no").splitlines()]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if set(changed) - set(WRITTEN_BY_CAMPAIGNS) else "")


def now_utc() -> str:
    """The time of a line."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout
