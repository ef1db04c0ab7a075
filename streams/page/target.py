"""All that the page of one target shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from halt400.errors import Halt400Error, InvalidRecord
from halt400.rates import end_of_window_ms
from halt400.records import Command, Diagnosis, RequestChange
from halt400.windows import WINDOWS_S, WindowCounts, window_counts
from streams.api.log_models import OffenceSummary
from streams.api.models import Quarantine
from streams.api.read_model import ReadModel
from streams.api.series import SPANS_S, Series
from streams.detection import Explanation, Finding, explain
from streams.page.charts import Marker
from streams.page.differences import Share, origin_shares, request_differences
from streams.page.fleet import State
from streams.page.shading import Shade, halts, tiers_reached
from streams.processing.target import TrackedTarget

__all__ = ["TargetView", "view_target"]

MOST_OFFENCES, MOST_FINDINGS, MOST_COMMANDS, MOST_QUARANTINES = 10, 10, 30, 100
OFFENCES_COMPARED = 200
MOST_MARKERS = MOST_COMMANDS
MOST_SHADED = 500
"""Commands whose times are shaded in the chart."""


@dataclass(frozen=True)
class TargetView:
    """What is known of one target. `compared` is the offence whose headers were compared; None where there is none."""

    name: str
    state: State
    windows: list[tuple[str, WindowCounts]]
    series: Series
    markers: list[Marker]
    shades: list[Shade]
    quarantines: list[Quarantine]
    quarantine_count: int
    diagnosis: Diagnosis | None
    diagnosed_at: int | None
    explanation: Explanation
    offences: list[OffenceSummary]
    findings: list[Finding]
    commands: list[Command]
    shares: list[Share]
    compared: OffenceSummary | None
    differences: list[RequestChange] | None
    mismatch: float | None
    late: int
    problem: str | None


async def view_target(model: ReadModel, name: str, span: str) -> TargetView | None:
    """Collect what is known of a target; None for an unknown one.

    Raises
    ------
    InvalidRecord
        The target's row was written by a later release.
    """
    value, now_ms = model.rates.follower.values.get(name.encode(errors="replace")), model.clock_ms()
    in_force = model.quarantines.find(states=("quarantined", "probing"), target=name, job_id=None, expired=False)
    series = model.series(name, SPANS_S[span], None, None)
    if value is None or series is None:
        return None
    tracked = TrackedTarget.decode(value, name)
    policies, _ = model.policies()
    offences = [found for found in model.logs.offences.newest(lambda found: found.time) if found.target == name]
    shown = [model.logs.redacted(found) for found in offences[:MOST_OFFENCES]]
    quarantines = model.quarantines.shown(in_force[:MOST_QUARANTINES])
    lead = next((found for found in quarantines if found.diagnosis is not None), None)
    windows = [(key, counts) for key, seconds in WINDOWS_S.items() if (counts := _counts(tracked, seconds, now_ms))]
    compared = next((found for found in shown if found.opens), shown[0] if shown else None)
    differences, mismatch, problem = await _compare(model, compared, tracked)
    diagnosis = lead.diagnosis if lead is not None else shown[0].diagnosis if shown else None
    commands = _commands(model, name)
    shades = [*tiers_reached(series, tracked.state.mixture.p0, policies.tiers), *halts(commands, now_ms)]
    return TargetView(
        name=name,
        state=_state(in_force, windows),
        windows=windows,
        series=series,
        markers=[*map(_marker, commands[:MOST_MARKERS]), *_releases(offences)],
        shades=shades,
        quarantines=quarantines,
        quarantine_count=len(in_force),
        diagnosis=diagnosis,
        diagnosed_at=lead.opened_at if lead is not None else shown[0].time if shown else None,
        explanation=explain(tracked.state, policies, now_ms),
        offences=shown,
        findings=_findings(model, name),
        commands=commands[:MOST_COMMANDS],
        shares=origin_shares(offences[:OFFENCES_COMPARED], tracked.state.jobs.values()),
        compared=compared,
        differences=differences,
        mismatch=mismatch,
        late=tracked.row.late,
        problem=problem,
    )


def _counts(tracked: TrackedTarget, window_s: int, now_ms: int) -> WindowCounts:
    return window_counts(tracked.row, window_s, end_of_window_ms(tracked.row, now_ms))


def _state(in_force: Sequence[Command], windows: Sequence[tuple[str, WindowCounts]]) -> State:
    if any(command.state == "quarantined" for command in in_force):
        return "halted"
    if in_force:
        return "probing"
    recent = dict(windows)["5m"]
    return "failing" if recent.bad_requests else "quiet" if recent.responses else "no_data"


async def _compare(
    model: ReadModel, offence: OffenceSummary | None, tracked: TrackedTarget
) -> tuple[list[RequestChange] | None, float | None, str | None]:
    if offence is None:
        return None, None, None
    partition, _, offset = offence.id.partition("-")
    try:
        whole = await model.logs.offence((int(partition), int(offset)))
        found = None if whole is None else request_differences(whole.event.request, tracked.profile)
    except (Halt400Error, InvalidRecord) as error:
        return None, None, str(error)
    return (None, None, None) if found is None else (*found, None)


def _commands(model: ReadModel, name: str) -> list[Command]:
    found = model.quarantines.history.find(lambda scope, state, issued_at: scope.target == name)
    decoded = (command for decode in found if (command := decode()) is not None)
    return [model.quarantines.without_secrets(command) for command in islice(decoded, MOST_SHADED)]


def _findings(model: ReadModel, name: str) -> list[Finding]:
    found = model.logs.findings.newest(lambda finding: finding.at_ms)
    return [one for one in found if one.target == name or name in one.targets][:MOST_FINDINGS]


def _marker(command: Command) -> Marker:
    what = command.scope.job_id or command.scope.fingerprint or "the whole target"
    if command.state == "probing":
        return Marker("probe", command.issued_at, f"probe of {what}")
    if command.state == "released":
        return Marker("release", command.issued_at, f"{what} released by {command.issued_by}: {command.reason}")
    return Marker("quarantine", command.issued_at, f"{what} quarantined: {command.reason}")


def _releases(offences: Iterable[OffenceSummary]) -> list[Marker]:
    """The scrapers' releases, each where it was first seen in a 400: those of good responses are not on any log."""
    first: dict[str, int] = {}
    for offence in offences:
        if offence.release is not None:
            first[offence.release] = min(offence.time, first.get(offence.release, offence.time))
    return [Marker("scraper_release", at, f"first 400 of release {release}") for release, at in first.items()]
