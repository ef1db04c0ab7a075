"""`halt400 rebuild`: rows that cannot be read are made anew from the log."""

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from halt400.plural import plural
from streams.cli.output import OutputFormat, print_json, tables_on, visible_text

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def rebuild(
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be made anew.")] = False,
        missing: Annotated[
            bool,
            typer.Option("--missing", help="Also the rows of targets that have events and no row: the topic was cut."),
        ] = False,
        output: Annotated[OutputFormat, typer.Option("--format", help="A table, or JSON.")] = "table",
    ) -> None:
        """Make the rows of `rates` anew that cannot be read, and end a worker with it; stop the workers first.

        A row gets the counts of its target from `responses`, as far back as that reaches (3 days), and what is halted
        from `control`; what the detectors had learnt begins anew. Rows that can be read stay as they are.

        Exit codes: 0 every row can be read, or would be; 1 a worker runs, or Kafka does not answer.

        Example: halt400 rebuild --dry-run
        """
        from streams.processing.policy_file import PolicyFile
        from streams.rebuild import rebuild as rebuild_rows
        from streams.settings import load_settings

        settings = load_settings()
        found = asyncio.run(rebuild_rows(settings, PolicyFile(settings).policies, dry_run=dry_run, missing=missing))
        if output == "json":
            print_json([row._asdict() for row in found])
            return
        if found:
            numbers = ("Partition", "Responses", "Quarantines")
            console, table = tables_on("Target", *numbers, "What was wrong", numbers=numbers)
            for row in found:
                texts = Text(visible_text(row.target), "bold"), Text(visible_text(row.reason))
                table.add_row(texts[0], str(row.partition), f"{row.responses:,}", str(row.quarantines), texts[1])
            console.print(table)
        done = "would be made anew" if dry_run else "made anew"
        right = "Every row is there, and can be read." if missing else "Every row can be read."
        typer.echo(f"{plural(len(found), 'row')} {done}." if found else right)
