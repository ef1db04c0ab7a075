"""`halt400 top`: the worst targets and what is halted, live in the terminal."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from halt400.errors import Halt400Error
from halt400.plural import plural
from streams.api.choices import WindowName
from streams.cli.asking import UrlOption, api_client
from streams.cli.output import moment, ratio, span, visible_texts

if TYPE_CHECKING:
    from streams.api.client import ApiClient

__all__ = ["register"]

MOST_ROWS = 100
LINES_AROUND = 6
"""The head line, the heads of two tables, and what stands between them."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def top(
        window: Annotated[WindowName, typer.Option(help="Length of the window.")] = "5m",
        every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often it is asked.")] = 2.0,
        url: UrlOption = None,
    ) -> None:
        """Show the worst targets and the quarantines live, until Ctrl-C; in a pipe, once.

        Exit codes: 0 ended by Ctrl-C, 1 the API does not answer when it starts.

        Example: halt400 top --window 1m
        """
        console = Console(highlight=False)
        with api_client(url) as client:
            screen = _screen(client, window, console)
            if not console.is_terminal:
                console.print(screen)
                return
            with suppress(KeyboardInterrupt), Live(screen, console=console, screen=True, auto_refresh=False) as live:
                while True:
                    time.sleep(every)
                    try:
                        screen = _screen(client, window, console)
                    except Halt400Error as error:
                        screen = Group(Text(str(error), "bold yellow"), Text("Asking again …", "dim"))
                    live.update(screen, refresh=True)


def _screen(client: "ApiClient", window: str, console: Console) -> RenderableType:
    """One picture, no higher than the terminal."""
    rows = max(4, min(MOST_ROWS, console.height - LINES_AROUND))
    halted = visible_texts(client.quarantines(limit=rows))
    targets = visible_texts(client.targets(window=window, sort="-bad_requests", limit=rows))
    stale = client.staleness()
    shown_halted = min(len(halted["quarantines"]), rows // 2)
    shown_targets = rows - shown_halted
    parts: list[RenderableType] = [_head(targets, halted, stale, console.width)]
    parts.append(_targets(targets, window, shown_targets))
    if shown_halted:
        parts.append(_quarantines(halted, shown_halted))
    return Group(*parts)


def _head(targets: dict[str, Any], halted: dict[str, Any], stale: str | None, width: int) -> Text:
    as_of = targets["as_of"]
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append("Halt400", "bold")
    head.append(f"  {plural(targets['total'], 'target')}, ")
    head.append(f"{halted['total']:,} halted", "bold red" if halted["total"] else "green")
    head.append(f"  as of {moment(as_of, now_ms=as_of)}", "dim")
    if stale is not None:
        head.append("  STALE: Kafka does not answer", "bold yellow")
    head.truncate(width, overflow="ellipsis")
    return head


def _targets(answer: dict[str, Any], window: str, most: int) -> Table:
    table = _table(f"Target ({window})", "Responses", "400", "Ratio", "Halted", "Last 400")
    for found in answer["targets"][:most]:
        counts, halted = found["window"], found["quarantines"]
        style = "bold red" if counts["bad_requests"] else "dim" if not counts["responses"] else ""
        table.add_row(
            Text(found["target"], "bold red" if halted else ""),
            f"{counts['responses']:,}",
            Text(f"{counts['bad_requests']:,}", style),
            Text(ratio(counts["bad_request_ratio"]), style),
            Text(str(halted) if halted else "-", "bold red" if halted else "dim"),
            moment(found["last_bad_request"], now_ms=answer["as_of"]),
        )
    return table


def _quarantines(answer: dict[str, Any], most: int) -> Table:
    table = _table("Halted", "Job", "Cause", "Ends in", "Not sent")
    for found in answer["quarantines"][:most]:
        scope, diagnosis = found["scope"], found["diagnosis"] or {}
        job = {"target": "(all)", "job": scope.get("job_id"), "request": "(one request)"}[scope["kind"]]
        saved = found["not_sent"]["requests"] if found["not_sent"] else 0
        table.add_row(
            Text(scope["target"]),
            Text(job or "-", "bold"),
            Text(diagnosis.get("cause", "-")),
            span((found["expires_at"] - answer["as_of"]) / 1000),
            f"{saved:,}",
        )
    return table


def _table(*columns: str) -> Table:
    """A table as wide as the terminal, one line a row: names are cut, numbers never."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, expand=True)
    for column in columns:
        name = column.startswith("Target") or (column in ("Halted", "Job", "Cause") and columns[0] == "Halted")
        table.add_column(
            column,
            justify="left" if name else "right",
            no_wrap=True,
            overflow="ellipsis",
            ratio=2 if column == columns[0] else 1 if name else None,
        )
    return table
