"""The command line put together: the commands that need no service; the service adds its own.

A command is a module with a ``register(app)`` function. Packages add theirs by the entry point group
``halt400.commands``, the only way from `halt400` to `streams`.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from halt400.cli import diagnose, tail

__all__ = ["build"]

_HELP = """Halt the scraping jobs that send broken requests: HTTP 400s, quarantined at once, never retried.

Example: halt400 diagnose request.har"""


def build() -> typer.Typer:
    """Assemble the command line from the commands of this package and of every installed one."""
    registers = [diagnose.register, tail.register]
    lacking: dict[str, str] = {}
    for entry_point in sorted(metadata.entry_points(group="halt400.commands"), key=lambda found: found.name):
        register = entry_point.load()
        # The wheel has the service's code also where its dependencies are not installed.
        if _is_installed(entry_point.name):
            registers.append(register)
        else:
            lacking |= dict.fromkeys(_names(register), entry_point.name)
    epilog = "; ".join(
        f"The commands of the {extra} need more packages: {_install(extra)}" for extra in sorted(set(lacking.values()))
    )
    app = typer.Typer(
        name="halt400",
        epilog=escape(epilog) or None,
        cls=_group(lacking),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(help=_HELP)
    def halt400(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
        ] = False,
    ) -> None:
        """Take the options of the command itself."""

    for register in registers:
        register(app)
    _join_lines(app)
    return app


def _join_lines(app: typer.Typer) -> None:
    """Make each paragraph of a help one line, which the terminal wraps: the source's line ends are not its own."""
    for command in app.registered_commands:
        text = inspect.cleandoc(command.help or getattr(command.callback, "__doc__", None) or "")
        paragraphs = text.split("\n\n")
        command.help = "\n\n".join(one if one.startswith("\b") else one.replace("\n", " ") for one in paragraphs)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _join_lines(group.typer_instance)


def _is_installed(extra: str) -> bool:
    """Whether every distribution that an extra of ours asks for is there."""
    for requirement in metadata.requires("halt400") or ():
        name, _, marker = requirement.partition(";")
        if re.search(rf"extra == ['\"]{extra}['\"]", marker):
            try:
                metadata.distribution(re.split(r"[^\w.-]", name.strip(), maxsplit=1)[0])
            except metadata.PackageNotFoundError:
                return False
    return True


def _names(register: Callable[[typer.Typer], None]) -> list[str]:
    """The commands that `register` adds."""
    aside = typer.Typer()
    register(aside)
    command = typer.main.get_command(aside)
    return list(command.commands) if isinstance(command, TyperGroup) else []


def _install(extra: str) -> str:
    return f"pip install 'halt400[{extra}]'"


def _group(lacking: Mapping[str, str]) -> type[TyperGroup]:
    """The group of commands that names the extra of a command that is not installed."""

    class Group(TyperGroup):
        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            if args and args[0] in lacking:
                typer.echo(f"halt400 {args[0]} needs more packages: {_install(lacking[args[0]])}", err=True)
                raise typer.Exit(2)
            return super().resolve_command(ctx, args)

    return Group


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halt400 {metadata.version('halt400')}")
        raise typer.Exit
