"""`halt400 doctor`: what is wrong with an installation, and the mend of each."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from halt400.plural import plural
from streams.cli.output import OutputFormat, print_json, visible_text

if TYPE_CHECKING:
    from streams.doctor import CheckResult
    from streams.settings import Settings

__all__ = ["register"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "bold yellow"), "failed": ("✗", "bold red"), "skipped": ("-", "dim")}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(
        page: Annotated[
            bool, typer.Option("--page", help="Send a real message through every route of alerts, and resolve it.")
        ] = False,
        output: Annotated[OutputFormat, typer.Option("--format", help="Lines, or the results as JSON.")] = "table",
    ) -> None:
        """Examine the installation: settings, broker, topics, rights, workers, clock, archive, sinks, API.

        Nothing is changed: the archive's object .halt400 is written, and a topic for the clock is made and deleted.

        Exit codes: 0 nothing failed (there may be warnings), 1 something failed.

        Example: halt400 doctor --format json
        """
        from streams.settings import load_settings

        results = asyncio.run(_examine(load_settings(), page=page, tell=output == "table"))
        if output == "json":
            print_json([result._asdict() for result in results])
        else:
            counts: Counter[str] = Counter(result.status for result in results)
            typer.echo(", ".join(_counted(counts[status], status) for status in _MARKS if counts[status]))
        if any(result.status == "failed" for result in results):
            raise typer.Exit(1)


def _counted(number: int, status: str) -> str:
    return plural(number, status) if status == "warning" else f"{number} {status}"


async def _examine(settings: "Settings", *, page: bool, tell: bool) -> "list[CheckResult]":
    from streams.doctor import examine

    console, results = Console(highlight=False, soft_wrap=True), []
    async for result in examine(settings, page=page):
        results.append(result)
        if tell:
            mark, style = _MARKS[result.status]
            line = Text.assemble((mark, style), f" {result.check:<13}", visible_text(result.detail))
            console.print(line)
            if result.mend:
                console.print(Text.assemble(" " * 15, ("→ ", "bold green"), visible_text(result.mend)))
    return results
