"""`halt400 settings`: every setting with its value, its default and what it does."""

from typing import Annotated

import typer

from streams.cli.output import OutputFormat, print_json, tables_on

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def settings(
        output: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = "table",
        changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
    ) -> None:
        """List every setting: environment variable, value, default, and what it does.

        Secrets are not shown. What is not at its default is bold.

        Exit codes: 0 listed, 1 a setting is wrong.

        Example: halt400 settings --changed
        """
        from dataclasses import asdict

        from rich.text import Text

        from streams.settings import load_settings
        from streams.settings.catalogue import catalogue

        entries = [entry for entry in catalogue(load_settings()) if entry.changed or not changed]
        if output == "json":
            print_json([asdict(entry) for entry in entries])
            return
        if not entries:
            typer.echo("Every setting is at its default.")
            return
        console, table = tables_on("Variable", "Value", "Default", "What it does")
        table.columns[0].no_wrap = True
        section = ""
        for entry in entries:
            if section and entry.section != section:
                table.add_section()
            section = entry.section
            style = "bold yellow" if entry.changed else ""
            default = entry.default if entry.changed else ""
            table.add_row(
                Text(entry.variable, style), Text(entry.value or "-", style), Text(default), Text(entry.description)
            )
        console.print(table)
