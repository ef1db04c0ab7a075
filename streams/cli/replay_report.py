"""The report of `halt400 replay`: tables for people, one JSON document for programs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins
from rich.markup import escape

from streams.cli.output import print_json, tables_on
from streams.replay import DryRun, DryRunQuarantine, PolicyEstimate, PublishSummary, Tally

__all__ = ["ReplayReport", "print_json_report", "print_tables", "printable"]

_MOST_TARGETS = 10


@dataclass
class ReplayReport:
    """What a replay did: `dry_run`, `quarantines` and `estimates` of a dry run, `published` of a replay to Kafka."""

    tally: Tally
    dry_run: DryRun | None = None
    quarantines: list[DryRunQuarantine] = field(default_factory=list)
    estimates: dict[str, PolicyEstimate] = field(default_factory=dict)
    published: PublishSummary | None = None
    interrupted: bool = False


def printable(text: str) -> str:
    r"""Return text from a file as a terminal may show it: control characters escaped, as ``\x1b``."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def print_json_report(report: ReplayReport) -> None:
    """Print one JSON object."""
    tally = report.tally
    timed = tally.untimed < tally.events
    document: dict[str, Any] = {
        "dry_run": report.dry_run is not None,
        "interrupted": report.interrupted,
        "events": tally.events,
        "bad_requests": tally.bad_requests,
        "unread": tally.unread,
        "without_response": tally.harmless,
        "untimed": tally.untimed,
        "named_by_file": tally.named_by_file,
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "targets": dict(tally.targets.most_common()),
        "first_recorded": _iso(tally.first_ms) if timed else None,
        "last_recorded": _iso(tally.last_ms) if timed else None,
    }
    if report.published is not None:
        document["acknowledged"] = report.published.acknowledged
        document["given_up"] = report.published.given_up
        document["elapsed_s"] = round(report.published.elapsed_s, 3)
    if report.dry_run is not None:
        document["refused"] = len(report.dry_run.refusals)
        document["policies"] = to_builtins(report.estimates)
        document["findings"] = to_builtins(report.dry_run.findings)
        document["quarantines"] = [_quarantine(report.dry_run, found) for found in report.quarantines]
    print_json(document)


def _quarantine(dry_run: DryRun, found: DryRunQuarantine) -> dict[str, Any]:
    command, event = found
    return {
        "scope_id": command.scope.id,
        "target": event.target,
        "job_id": command.scope.job_id,
        "at": _iso(command.opened_at),
        "until": _iso(command.expires_at),
        "method": event.request.method,
        "url": event.request.url,
        "reason": command.reason,
        "bad_requests": dry_run.bad_requests_of(command),
        "command": to_builtins(command),
    }


def print_tables(report: ReplayReport) -> None:
    """Print tables, the quarantines first."""
    dry_run = report.dry_run
    if dry_run is not None:
        _print_quarantines(dry_run, report.quarantines)
        _print_estimates(report.estimates)
    console, table = tables_on("", "")
    table.show_header = False
    table.title, table.title_justify = ("Dry run" if dry_run is not None else "Replayed"), "left"
    for name, value in _facts(report):
        table.add_row(name, escape(value))
    console.print(table)
    if report.interrupted:
        console.print(f"Interrupted after {report.tally.events} events.")


def _print_quarantines(dry_run: DryRun, quarantines: Iterable[DryRunQuarantine]) -> None:
    """Print one row for each; its names stand one below another, because they are long."""
    console, table = tables_on("from, until (UTC)", "400s", "job, target, first 400", numbers=("400s",))
    table.title, table.title_justify = "Would have been quarantined", "left"
    for command, event in quarantines:
        cause = f" ({command.diagnosis.cause})" if command.diagnosis is not None else ""
        held = {"request": f"{event.job_id}: only this request's retry", "target": "every job"}.get(command.scope.kind)
        what = (held or event.job_id, event.target, f"{event.request.method} {event.request.url}{cause}")
        table.add_row(
            f"{_clock(command.opened_at)}\n{_clock(command.expires_at)}",
            str(dry_run.bad_requests_of(command)),
            "".join(escape(printable(line)) + "\n" for line in what),
        )
    console.print(table if table.row_count else "Nothing would have been quarantined.\n")
    if dry_run.refusals:
        console.print(f"{len(dry_run.refusals)} events would have been refused, the first because:")
        console.print(printable(dry_run.refusals[0].message), markup=False)


def _print_estimates(estimates: dict[str, PolicyEstimate]) -> None:
    """Print one row for each policy, as if every target had it."""
    numbers = ("jobs", "targets", "requests", "not sent", "proxy time", "false pages", "false job alarms")
    console, table = tables_on("policy", *numbers, numbers=numbers)
    table.title, table.title_justify = "What each policy would have done", "left"
    for name, found in estimates.items():
        saved_s, false_jobs = found.proxy_time_saved_s, found.false_job_holds_bound
        table.add_row(
            name,
            str(found.jobs_held),
            str(found.targets_held),
            str(found.requests_held),
            str(found.requests_saved),
            "not known" if saved_s is None else f"{saved_s:.1f} s",
            f"< {found.false_pages_bound:.2g}",
            "any 400" if false_jobs is None else f"< {false_jobs:.2g}",
        )
    console.print(table)


def _facts(report: ReplayReport) -> list[tuple[str, str]]:
    tally = report.tally
    facts = [("events", str(tally.events))]
    if report.published is not None:
        published = report.published
        rate = published.acknowledged / published.elapsed_s if published.elapsed_s else 0.0
        facts.append(("acknowledged", f"{published.acknowledged} in {published.elapsed_s:.1f} s, {rate:.0f}/s"))
        if published.given_up:
            facts.append(("given up", str(published.given_up)))
    else:
        facts.append(("quarantines", str(len(report.quarantines))))
    facts.append(("statuses", ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items()))))
    busiest = ", ".join(f"{printable(target)}: {count}" for target, count in tally.targets.most_common(_MOST_TARGETS))
    more = len(tally.targets) - _MOST_TARGETS
    facts.append((f"targets ({len(tally.targets)})", busiest + (f", and {more} more" if more > 0 else "")))
    if tally.first_ms is not None and tally.last_ms is not None and tally.untimed < tally.events:
        facts.append(("recorded (UTC)", f"{_clock(tally.first_ms)} to {_clock(tally.last_ms)}"))
    facts.append(("could not be read", str(tally.unread)))
    if tally.untimed:
        facts.append(("without a time", f"{tally.untimed}, taken to be 1 ms apart from the file's date on"))
    if tally.named_by_file:
        told = "the log has no host, so the target is the file's name; tell it with --target, or log the host"
        facts.append(("without a host", f"{tally.named_by_file}: {told}"))
    if tally.harmless:
        facts.append(("without a response", str(tally.harmless)))
    return facts


def _moment(time_ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _clock(time_ms: int) -> str:
    moment = _moment(time_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment is not None else f"{time_ms} ms"


def _iso(time_ms: int | None) -> str | None:
    moment = _moment(time_ms) if time_ms is not None else None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None
