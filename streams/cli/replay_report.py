"""What `halt400 replay` prints at its end: tables for people, one JSON document for programs."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import to_builtins
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.replay import DryRun, Published, Quarantine, Tally

__all__ = ["Reported", "print_json", "print_tables", "printable"]

_MOST_TARGETS = 10


@dataclass
class Reported:
    """All that there is to say: `dry_run` and `quarantines` of a dry run, `published` of a replay through Kafka."""

    tally: Tally
    dry_run: DryRun | None = None
    quarantines: list[Quarantine] = field(default_factory=list)
    published: Published | None = None
    interrupted: bool = False


def printable(text: str) -> str:
    r"""Return text from a file as a terminal may show it: control characters escaped, as ``\x1b``."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def print_json(report: Reported) -> None:
    """Print one JSON object."""
    tally = report.tally
    document: dict[str, Any] = {
        "dry_run": report.dry_run is not None,
        "interrupted": report.interrupted,
        "events": tally.events,
        "bad_requests": tally.bad_requests,
        "unread": tally.unread,
        "without_response": tally.harmless,
        "untimed": tally.untimed,
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "targets": dict(tally.targets.most_common()),
        "first_recorded": _iso(tally.first_ms),
        "last_recorded": _iso(tally.last_ms),
    }
    if report.published is not None:
        document["acknowledged"] = report.published.acknowledged
        document["given_up"] = report.published.given_up
        document["elapsed_s"] = round(report.published.elapsed_s, 3)
    if report.dry_run is not None:
        document["refused"] = len(report.dry_run.refusals)
        document["quarantines"] = [_quarantine(report.dry_run, found) for found in report.quarantines]
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def _quarantine(dry_run: DryRun, found: Quarantine) -> dict[str, Any]:
    command, event = found
    return {
        "scope_id": command.scope.id,
        "target": event.target,
        "job_id": event.job_id,
        "at": _iso(command.opened_at),
        "until": _iso(command.expires_at),
        "method": event.request.method,
        "url": event.request.url,
        "reason": command.reason,
        "bad_requests": dry_run.bad_requests_of(command),
        "command": to_builtins(command),
    }


def print_tables(report: Reported) -> None:
    """Print for people, with what was quarantined first."""
    console = Console(highlight=False)
    tally, dry_run = report.tally, report.dry_run
    if dry_run is not None:
        if report.quarantines:
            console.print(_quarantine_table(dry_run, report.quarantines))
        else:
            console.print("Nothing would have been quarantined.")
        if dry_run.refusals:
            console.print(f"{len(dry_run.refusals)} events would have been refused, the first because:")
            console.print(printable(dry_run.refusals[0].message), markup=False)
    console.print(_summary(report, _facts(report)))
    if report.interrupted:
        console.print(f"Interrupted after {tally.events} events.")


def _quarantine_table(dry_run: DryRun, quarantines: Iterable[Quarantine]) -> Table:
    table = Table(title="Would have been quarantined", title_justify="left", show_lines=True)
    table.add_column("from, until (UTC)", width=19)
    table.add_column("400s", justify="right")
    table.add_column("job, target, first 400", overflow="fold")
    for command, event in quarantines:
        cause = f" ({command.diagnosis.cause})" if command.diagnosis is not None else ""
        what = (event.job_id, event.target, f"{event.request.method} {event.request.url}{cause}")
        table.add_row(
            f"{_clock(command.opened_at)}\n{_clock(command.expires_at)}",
            str(dry_run.bad_requests_of(command)),
            "\n".join(escape(printable(line)) for line in what),
        )
    return table


def _summary(report: Reported, facts: list[tuple[str, str]]) -> Table:
    table = Table(
        title="Dry run" if report.dry_run is not None else "Replayed", title_justify="left", show_header=False
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, escape(value))
    return table


def _facts(report: Reported) -> list[tuple[str, str]]:
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
    if tally.first_ms is not None and tally.last_ms is not None:
        facts.append(("recorded (UTC)", f"{_clock(tally.first_ms)} to {_clock(tally.last_ms)}"))
    facts.append(("could not be read", str(tally.unread)))
    if tally.untimed:
        facts.append(("without a time", f"{tally.untimed}, taken to be 1 ms apart from the file's date on"))
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
