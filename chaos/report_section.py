"""The section of docs/reliability.md that campaigns write: how far they have come, by fault, and what they found."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from chaos.campaign_log import CampaignAim, LoggedRun
from chaos.schedule import KINDS

__all__ = ["section", "write_section"]

BEGIN = "<!-- Written by `make chaos`: begin -->"
END = "<!-- Written by `make chaos`: end -->"
LONGEST_TEXT = 300
NOT_YET = "nobody has looked yet"


def write_section(path: Path, runs: Sequence[LoggedRun], aim: CampaignAim) -> None:
    """Replace the section of the page that `make chaos` writes.

    Raises
    ------
    ValueError
        The page has no such section.
    """
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} has no lines {BEGIN!r} and {END!r}: add them where the report is to be")
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{section(runs, aim)}\n{END}{rest.partition(END)[2]}")


def section(runs: Sequence[LoggedRun], aim: CampaignAim) -> str:
    """The campaign as text and tables."""
    lines = [*_how_far(runs, aim), "", *_by_code(runs), "", *_by_kind(runs), "", *_violations(runs), ""]
    return "\n".join(lines)


def _how_far(runs: Sequence[LoggedRun], aim: CampaignAim) -> Iterator[str]:
    events, times = sum(run.summary.events for run in runs), _times(runs)
    took_s = sum(run.summary.took_s for run in runs)
    found = sum(len(run.summary.violations) for run in runs)
    yield (
        f"Together: {_count(len(runs), 'run')} in {took_s / 3600:.1f} hours, {events:,} events, "
        f"{_count(times.total(), 'fault')}, {_count(found, 'violation')}."
    )
    if aim.each:
        reached = sum(times[kind] >= aim.each for kind in KINDS)
        least = min(KINDS, key=lambda kind: times[kind])
        yield (
            f"The aim is {aim.each} faults of each kind: {reached} of {len(KINDS)} kinds have them, the rarest is "
            f"`{least}` with {times[least]}."
        )
    if aim.events and events:
        yield f"The aim is {aim.events:,} events: {min(100.0, 100 * events / aim.events):.1f}% of them have been."
    due_h = _due_s(aim, events, times, took_s) / 3600
    if due_h:
        yield f"At the pace of these runs the rest takes {due_h:,.0f} hours."


def _due_s(aim: CampaignAim, events: int, times: Counter[str], took_s: float) -> float:
    """How long further runs like these would take, 0 where nothing is due or nothing was done."""
    due_faults = sum(max(0, aim.each - times[kind]) for kind in KINDS)
    by_events = max(0, aim.events - events) / events if events else 0.0
    by_faults = due_faults / times.total() if times.total() else 0.0
    return took_s * max(by_events, by_faults)


def _by_code(runs: Sequence[LoggedRun]) -> Iterator[str]:
    yield "| code | runs | seeds | minutes of faults | faults | events | 400s | commands | violations |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for code, group in groupby(runs, key=lambda run: run.code):
        of_code = list(group)
        some = [run.summary for run in of_code]
        repeated = sum(one.offences_repeated for one in some), sum(one.commands_repeated for one in some)
        yield (
            f"| {code} | {len(some)} | {_seeds(of_code)} | {sum(one.seconds for one in some) / 60:.0f} | "
            f"{sum(sum(one.faults.values()) for one in some):,} | {sum(one.events for one in some):,} | "
            f"{sum(one.bad_requests for one in some):,} ({_count(repeated[0], 'offence')} written again) | "
            f"{sum(one.commands for one in some):,} ({repeated[1]} written again) | "
            f"{sum(len(one.violations) for one in some)} |"
        )


def _by_kind(runs: Sequence[LoggedRun]) -> Iterator[str]:
    times = _times(runs)
    why = {kind: reason for run in runs for kind, reason in run.summary.skipped.items() if not times[kind]}
    yield "| fault | what it does | times | recovery: median | longest |"
    yield "|---|---|---|---|---|"
    for kind, (_, _, _, title) in KINDS.items():
        took = sorted(time for run in runs for time in run.summary.recoveries_s.get(kind, ()))
        seen = f"{len(took)} | {took[len(took) // 2]:.1f} s | {took[-1]:.1f} s" if took else "0 | - | -"
        reason = f" (not possible in these runs: {why[kind]})" if kind in why else ""
        yield f"| `{kind}` | {title}{reason} | {seen} |"


def _violations(runs: Sequence[LoggedRun]) -> Iterator[str]:
    failed = [run for run in runs if run.summary.violations]
    if not failed:
        yield "No violation."
        return
    yield "| run | code | violations, the first of them | mend |"
    yield "|---|---|---|---|"
    for run in failed:
        first = run.summary.violations[0].replace("|", "\\|").replace("\n", " ")
        short = first if len(first) <= LONGEST_TEXT else first[:LONGEST_TEXT] + "..."
        yield f"| {run.name} | {run.code} | {len(run.summary.violations)}: {short} | {run.mend or NOT_YET} |"


def _times(runs: Sequence[LoggedRun]) -> Counter[str]:
    times = Counter[str]()
    for run in runs:
        times.update(run.summary.faults)
    return times


def _seeds(runs: Sequence[LoggedRun]) -> str:
    """Such as ``1, 401-409``."""
    found: list[list[int]] = []
    for seed in sorted({run.summary.seed for run in runs}):
        if found and seed == found[-1][1] + 1:
            found[-1][1] = seed
        else:
            found.append([seed, seed])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("" if number == 1 else "s")
