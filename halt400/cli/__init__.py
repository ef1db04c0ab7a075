"""The command line, `halt400 ...`: the commands that need no service; the service adds its own.

A command is a module with a ``register(app)`` function. Packages add theirs by the entry point group
``halt400.commands``, the only way from `halt400` to `streams`.
"""

import logging
import sys
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from halt400.cli import diagnose
from halt400.errors import Halt400Error

__all__ = ["build", "main"]


def build() -> typer.Typer:
    """Assemble the command line from the commands of this package and of every installed one."""
    commands, epilog = [diagnose.register], None
    for entry_point in sorted(metadata.entry_points(group="halt400.commands"), key=lambda found: found.name):
        try:
            commands.append(entry_point.load())
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in ("", "halt400", "streams"):
                raise
            # The wheel has the service's code also where its dependencies are not installed.
            name = entry_point.name
            epilog = escape(f"The commands of the {name} need more packages: pip install 'halt400[{name}]'")
    app = typer.Typer(
        name="halt400",
        help="Halt the scraping jobs that send broken requests: HTTP 400s, quarantined at once, never retried.",
        epilog=epilog,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def halt400(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
        ] = False,
    ) -> None:
        """Halt the scraping jobs that send broken requests: HTTP 400s, quarantined at once, never retried."""

    for register in commands:
        register(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halt400 {metadata.version('halt400')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a `Halt400Error` is one line on stderr and exit code 1, never a traceback."""
    # Errors say what Kafka's client logs of a broker that does not answer; a command that goes on undoes this.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        build()()
    except Halt400Error as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]halt400:[/] {escape(error.message)} [bold]{escape(error.mend)}[/]".rstrip()
        )
        sys.exit(1)
