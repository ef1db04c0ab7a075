"""Printing for the service's commands: tables for people, JSON for programs."""

from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.visible_text import visible_json, visible_text

__all__ = [
    "OutputFormat",
    "moment",
    "print_json",
    "print_line",
    "ratio",
    "span",
    "tables_on",
    "visible_text",
    "visible_texts",
]

_WIDTH_OF_PIPES = 200


OutputFormat = Literal["table", "json"]
"""How to print."""


def print_json(value: Any) -> None:
    """Print as indented JSON, UTF-8; what would control a terminal is escaped."""
    typer.echo(visible_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()))


def print_line(value: Any) -> None:
    """Print as JSON on one line, at once, for programs that read lines."""
    typer.echo(visible_json(orjson.dumps(value).decode()))


def tables_on(*columns: str, numbers: tuple[str, ...] = ()) -> tuple[Console, Table]:
    """Build a console, wide where the output is a pipe, and a table; the columns in `numbers` are right-aligned."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_PIPES)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return console, table


def moment(time_ms: int | None, *, now_ms: int) -> str:
    """Format a time in UTC, with its date unless that is today."""
    if time_ms is None:
        return "-"
    time, now = (datetime.fromtimestamp(value / 1000, UTC) for value in (time_ms, now_ms))
    return f"{time:%H:%M:%SZ}" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M:%SZ}"


def span(seconds: float) -> str:
    """Format a duration in its two largest units, such as ``14m 32s``."""
    whole = max(0, round(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number}{unit}" for number, unit in parts[first : first + 2])


def ratio(value: float | None) -> str:
    """Format a ratio in percent; a dash where there were no responses."""
    return "-" if value is None else f"{value:.2%}"


def visible_texts(value: Any) -> Any:
    """The same for every text in an answer of the API."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(name): visible_texts(found) for name, found in value.items()}
    return [visible_texts(found) for found in value] if isinstance(value, list) else value
