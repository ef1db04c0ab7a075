"""`halt400 offences` and `halt400 findings`: the latest of the logs, as the HTTP API answers."""

from typing import Annotated, Any

import typer
from rich.text import Text

from halt400.records import Cause
from streams.cli.asking import LimitOption, OutputOption, UrlOption, WatchOption, follow_answers, show_answer
from streams.cli.output import moment, print_line, tables_on, visible_text
from streams.detection.findings import FindingKind, Severity

__all__ = ["register"]

WIDTH_WITH_EVIDENCE = 160
LONGEST_PATH = 40
MOST_AT_ONCE = 200
_SEVERITY_STYLES = {"page": "bold red", "ticket": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(offences)
    app.command()(findings)


def offences(
    target: Annotated[str | None, typer.Option(help="Only on this target.")] = None,
    job_id: Annotated[str | None, typer.Option("--job", help="Only of this job.")] = None,
    cause: Annotated[Cause | None, typer.Option(help="Only with this diagnosed cause.")] = None,
    limit: LimitOption = 50,
    watch: WatchOption = None,
    output: OutputOption = "table",
    url: UrlOption = None,
) -> None:
    """List the latest 400s with their diagnosis; `halt400 archive show URI` has request and response.

    Exit codes: 0 listed, 1 the API does not answer.

    Example: halt400 offences --target api.shop.example --cause malformed_json
    """
    show_answer(
        url,
        watch,
        output,
        lambda client: client.offences(target=target, job_id=job_id, cause=cause, limit=limit),
        _print_offences,
    )


def findings(
    kind: Annotated[FindingKind | None, typer.Option(help="Only of this kind.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only of this severity.")] = None,
    target: Annotated[str | None, typer.Option(help="Only on this target.")] = None,
    limit: LimitOption = 50,
    watch: WatchOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Write each that comes from now on as a line, until Ctrl-C.")
    ] = False,
    output: OutputOption = "table",
    url: UrlOption = None,
) -> None:
    """List the latest findings: alarms of targets, poison items, retry loops, faults of the fleet.

    With --follow each is a line of its own, with --format json an object a line; it goes on through outages of the API.

    Exit codes: 0 listed, or --follow was ended by Ctrl-C; 1 the API does not answer.

    Example: halt400 findings --severity page --follow
    """
    if follow:
        follow_answers(
            url,
            lambda client: client.findings(kind=kind, severity=severity, target=target, limit=MOST_AT_ONCE),
            lambda answer: answer["findings"],
            lambda found: found["finding_id"],
            print_line if output == "json" else _print_finding,
        )
        return
    show_answer(
        url,
        watch,
        output,
        lambda client: client.findings(kind=kind, severity=severity, target=target, limit=limit),
        _print_findings,
    )


def _print_offences(answer: dict[str, Any]) -> None:
    console, table = tables_on("Time", "Target", "Job", "Request", "Cause", "Release")
    if console.width >= WIDTH_WITH_EVIDENCE:
        table.add_column("Evidence", overflow="fold")
    for found in answer["offences"]:
        diagnosis = found["diagnosis"] or {}
        table.add_row(
            moment(found["time"], now_ms=answer["as_of"]),
            Text(found["target"]),
            Text(found["job_id"], "bold"),
            Text(f"{found['method']} {_path(found['url'])}"),
            Text(diagnosis.get("cause", "-"), "bold red" if found["opens"] else ""),
            Text(found["release"] or "-"),
            *([Text(found["archive_uri"], "dim")] if console.width >= WIDTH_WITH_EVIDENCE else []),
        )
    if answer["offences"]:
        console.print(table)
    _print_count(answer, len(answer["offences"]), "offence")


def _path(url: str) -> str:
    """The part of an address behind the host, which is mostly the target, cut to fit its column."""
    path = "/" + url.partition("://")[2].partition("/")[2]
    return path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH - 1]}…"


def _print_findings(answer: dict[str, Any]) -> None:
    console, table = tables_on("Time", "Severity", "Kind", "Target", "What was found")
    for found in answer["findings"]:
        table.add_row(
            moment(found["at_ms"], now_ms=answer["as_of"]),
            Text(found["severity"], _SEVERITY_STYLES[found["severity"]]),
            found["kind"],
            Text(found.get("target") or "(fleet)"),
            Text(found["summary"]),
        )
    if answer["findings"]:
        console.print(table)
    _print_count(answer, len(answer["findings"]), "finding")


def _print_finding(found: dict[str, Any]) -> None:
    target, time = found.get("target") or "(fleet)", moment(found["at_ms"], now_ms=found["at_ms"])
    line = f"{time} {found['severity']:6} {found['kind']:16} {target}  {found['summary']}"
    typer.echo(visible_text(line))


def _print_count(answer: dict[str, Any], shown: int, noun: str) -> None:
    number = "No" if not shown else f"{shown:,} of {answer['total']:,}" if shown < answer["total"] else f"{shown:,}"
    skipped = f"; {answer['skipped']:,} older ones are on the topic only" if answer["skipped"] else ""
    as_of = moment(answer["as_of"], now_ms=answer["as_of"])
    typer.echo(f"{number} {noun}{'' if answer['total'] == 1 else 's'}; as of {as_of}{skipped}")
