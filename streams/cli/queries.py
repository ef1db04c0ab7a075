"""`halt400 rates` and `halt400 quarantines`: the answers of the HTTP API as tables in the terminal."""

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.api.choices import SortKey, State, WindowName
from streams.cli.asking import LimitOption, OutputOption, UrlOption, WatchOption, show_answer
from streams.cli.output import moment, ratio, span, tables_on

if TYPE_CHECKING:
    from streams.api.client import ApiClient

__all__ = ["register"]


def _state(text: str) -> str:
    """One state of a quarantine, as an option gives it."""
    states = get_args(State)
    if text not in states:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(states)}")
    return text


WIDTH_WITH_EVIDENCE = 160
_CLASSES = ("2xx", "3xx", "401", "403", "404", "422", "429", "5xx", "other")
_STATE_STYLES = {"quarantined": "bold red", "probing": "yellow", "released": "green"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(rates)
    app.command()(quarantines)


def rates(
    target: Annotated[str | None, typer.Argument(help="One target; without it, all targets.")] = None,
    window: Annotated[
        WindowName | None,
        typer.Option(help="Length of the window.", show_default="5m for all targets, all windows for one"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="End of the windows of one target: ms since the epoch, or RFC 3339.", show_default="now"),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Only targets whose name begins with this.")] = "",
    sort: Annotated[
        SortKey, typer.Option(help="Sort all targets by this; with a minus, the greatest first.")
    ] = "-bad_requests",
    limit: LimitOption = 50,
    watch: WatchOption = None,
    output: OutputOption = "table",
    url: UrlOption = None,
) -> None:
    """Show how many responses one target or all targets sent, and how many of them were 400s.

    Exit codes: 0 shown, 1 the API does not answer, or knows no such target.

    Example: halt400 rates api.shop.example --window 5m
    """
    if target is None and at is not None:
        raise typer.BadParameter("needs a TARGET", param_hint="--at")
    _check_time(at)

    def ask(client: "ApiClient") -> dict[str, Any]:
        if target is not None:
            return client.rates(target, window=window, at=at)
        return client.targets(window=window, prefix=prefix or None, sort=sort, limit=limit)

    show_answer(url, watch, output, ask, _print_targets if target is None else _print_target)


def quarantines(
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these; may be repeated.",
            metavar="|".join(get_args(State)),
            parser=_state,
            show_default="quarantined and probing",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Only on this target.")] = None,
    job_id: Annotated[str | None, typer.Option("--job", help="Only of this job.")] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Also those that have expired.")] = False,
    limit: LimitOption = 50,
    watch: WatchOption = None,
    output: OutputOption = "table",
    url: UrlOption = None,
) -> None:
    """List the quarantines with their reason and their end.

    Exit codes: 0 listed, 1 the API does not answer.

    Example: halt400 quarantines --target api.shop.example --watch 2
    """
    states = ",".join(state) if state else None
    show_answer(
        url,
        watch,
        output,
        lambda client: client.quarantines(
            state=states, target=target, job_id=job_id, expired="true" if expired else None, limit=limit
        ),
        _print_quarantines,
    )


def _check_time(text: str | None) -> None:
    from streams.api.query_parameters import parse_time

    try:
        if text is not None:
            parse_time(text)
    except ValueError as error:
        mend = "give milliseconds since the Unix epoch, or RFC 3339 such as 2026-01-31T12:00:00Z"
        raise typer.BadParameter(f"{error}: {mend}", param_hint="--at") from None


def _print_target(answer: dict[str, Any]) -> None:
    now_ms = answer["as_of"]
    numbers = ("Responses", "400", "400 ratio", *_CLASSES)
    console, table = tables_on("Window", "From", "To", *numbers, numbers=numbers)
    for name, window in answer["windows"].items():
        table.add_row(
            name, moment(window["start"], now_ms=now_ms), moment(window["end"], now_ms=now_ms), *_counts(window)
        )
    totals = answer["totals"]
    table.add_section()
    table.add_row(
        "ever",
        "",
        "",
        *_counts({**totals, "bad_requests": totals["classes"]["400"], "bad_request_ratio": None}, with_ratio=False),
    )
    console.print(Text(answer["target"], "bold"))
    console.print(table)
    notes = [
        f"last 400 {moment(answer['last_bad_request'], now_ms=now_ms)}" if answer["last_bad_request"] else "no 400"
    ]
    notes += [f"{answer['late']:,} too late for any window"] if answer["late"] else []
    notes += [f"{answer['skewed']:,} from the future"] if answer["skewed"] else []
    console.print(f"{'; '.join(notes)}; as of {moment(now_ms, now_ms=now_ms)}", style="dim")


def _print_targets(answer: dict[str, Any]) -> None:
    now_ms = answer["as_of"]
    numbers = ("Responses", "400", "400 ratio", *_CLASSES, "Ever", "Quarantines")
    console, table = tables_on("Target", *numbers, "Last 400", numbers=numbers)
    for target in answer["targets"]:
        halted = target["quarantines"]
        table.add_row(
            Text(target["target"], "bold red" if halted else ""),
            *_counts(target["window"]),
            f"{target['totals']['responses']:,}",
            Text(str(halted) if halted else "-", "bold red" if halted else "dim"),
            moment(target["last_bad_request"], now_ms=now_ms),
        )
    window = answer["targets"][0]["window"] if answer["targets"] else None
    _print_page(console, table, len(answer["targets"]), answer, "target", f"in {window['window']}" if window else "")


def _print_quarantines(answer: dict[str, Any]) -> None:
    now_ms = answer["as_of"]
    columns = ("Target", "Job", "State", "Opened", "Ends in", "Not sent", "Cause", "Reason")
    console, table = tables_on(*columns, numbers=("Not sent",))
    if console.width >= WIDTH_WITH_EVIDENCE:
        table.add_column("Evidence", overflow="fold")
    for found in answer["quarantines"]:
        scope, diagnosis = found["scope"], found["diagnosis"] or {}
        what = {"job": scope.get("job_id"), "target": "(all)", "request": f"request {scope.get('fingerprint')}"}
        left_s = (found["expires_at"] - now_ms) / 1000
        ends = "-" if found["state"] == "released" else span(left_s) if found["in_force"] else "expired"
        table.add_row(
            Text(scope["target"]),
            Text(what[scope["kind"]] or "-", "bold"),
            Text(found["state"], _STATE_STYLES[found["state"]] if found["in_force"] else "dim"),
            moment(found["opened_at"], now_ms=now_ms),
            ends,
            _number(found["not_sent"]["requests"] if found["not_sent"] is not None else 0),
            diagnosis.get("cause", "-"),
            Text(found["reason"]),
            *([Text(found["archive_uri"] or "-", "dim")] if len(table.columns) > len(columns) else []),
        )
    _print_page(console, table, len(answer["quarantines"]), answer, "quarantine", "")


def _print_page(console: Console, table: Table, shown: int, answer: dict[str, Any], noun: str, what: str) -> None:
    as_of = moment(answer["as_of"], now_ms=answer["as_of"])
    plural = noun if answer["total"] == 1 else f"{noun}s"
    if not shown:
        console.print(f"No {noun}s; as of {as_of}.")
        return
    number = f"{shown:,} of {answer['total']:,}" if shown < answer["total"] else f"{shown:,}"
    console.print(table)
    console.print(f"{number} {plural} {what}".rstrip() + f"; as of {as_of}", style="dim")


def _counts(window: dict[str, Any], *, with_ratio: bool = True) -> list[Text]:
    bad = window["bad_requests"]
    return [
        _number(window["responses"]),
        Text(f"{bad:,}" if bad else "-", "bold red" if bad else "dim"),
        Text(ratio(window["bad_request_ratio"]) if with_ratio else "", "bold red" if bad else "dim"),
        *(_number(window["classes"][name]) for name in _CLASSES),
    ]


def _number(value: int) -> Text:
    return Text(f"{value:,}") if value else Text("-", "dim")
