"""`halt400 api`: the HTTP API in a process of its own; `halt400 api token`: who may use it."""

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from halt400.errors import SettingError
from streams.cli.output import OutputFormat, print_json, tables_on

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["register"]

SWITCH_INTERVAL_S = 0.0005
"""A thread ranks all targets while requests are answered: with Python's default of 5 ms each answer waits for it."""
COLLECTOR_THRESHOLDS = (10_000, 50, 100)
"""With Python's defaults the collector walks all modules, 50 ms, every few hundred requests."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    api = typer.Typer(
        name="api",
        invoke_without_command=True,
        help="Serve the HTTP API until Ctrl-C, and make the tokens of those who may use it.\n\n"
        "It answers for all targets. A worker serves the API too, unless HALT400_API_ENABLED is false.\n\n"
        "Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 it could not start.\n\n"
        "Example: halt400 api --port 8400",
    )
    app.add_typer(api)
    api.callback(invoke_without_command=True)(serve)
    tokens = typer.Typer(
        name="token",
        no_args_is_help=True,
        help="Who may use the API.\n\nExample: halt400 api token add alice --role operate",
    )
    api.add_typer(tokens)
    tokens.command("add")(add_token)
    tokens.command("list")(list_tokens)


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="HALT400_API_HOST, 127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port, 0 for any free one.", show_default="HALT400_API_PORT, 8400", min=0, max=65535),
    ] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C: all that is known of every target, and what an operator does about it."""
    if context.invoked_subcommand is not None:
        return
    from streams.archive.redaction import redactor_of
    from streams.logs import log_to_stderr
    from streams.settings import load_settings

    given: dict[str, Any] = {"host": host, "port": port}
    settings = load_settings(api={name: value for name, value in given.items() if value is not None})
    log_to_stderr(settings, redactor_of(settings), "api")
    for chatty in ("kafka", "aiohttp"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    asyncio.run(_serve(settings))


def add_token(
    name: Annotated[str, typer.Argument(help="Who has it: a person or a program; the log shows this name.")],
    role: Annotated[Literal["read", "operate"], typer.Option(help="What it may do.")] = "read",
    file: Annotated[
        Path | None, typer.Option(help="Add the entry to this file, for HALT400_API_TOKENS_FILE; made with mode 0600.")
    ] = None,
) -> None:
    """Make a token: print it once, and the entry for HALT400_API_TOKENS, which has only its hash.

    Exit codes: 0 made, 1 the file cannot be written, 2 the name is wrong or in the file already.

    Example: halt400 api token add alice --role operate
    """
    from streams.api.access import new_token, parse_tokens

    try:
        token, entry = new_token(name, role)
        if file is not None:
            known = file.read_text() if file.exists() else ""
            parse_tokens(f"{known}\n{entry.entry}")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    except OSError as error:
        raise SettingError(f"{file} cannot be read ({error.strerror}).", "Name a file of your own.") from error
    if file is not None:
        _append(file, entry.entry)
    typer.echo(f"Token of {name} ({role}), shown this once: {token}")
    typer.echo(f"Added to {file}." if file is not None else f"Add to HALT400_API_TOKENS: {entry.entry}")
    typer.echo("Who serves the API reads it at the next start.")


def list_tokens(
    output: Annotated[OutputFormat, typer.Option("--format", help="A table, or JSON.")] = "table",
) -> None:
    """List the names and roles of HALT400_API_TOKENS.

    Exit codes: 0 listed, 1 a token is wrong.

    Example: halt400 api token list
    """
    from streams.api.access.access import token_book
    from streams.settings import load_settings

    tokens = list(token_book(load_settings().api))
    if output == "json":
        print_json([{"name": token.name, "role": token.role} for token in tokens])
        return
    console, table = tables_on("Name", "Role")
    for token in tokens:
        table.add_row(token.name, token.role)
    if table.row_count:
        console.print(table)
    else:
        typer.echo("There are no tokens: the API serves this machine only, and everyone on it may operate.")


def _append(file: Path, entry: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a+") as opened:
            text = file.read_text()
            opened.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{entry}\n")
    except OSError as error:
        raise SettingError(f"{file} cannot be written ({error.strerror}).", "Name a file of your own.") from error


async def _serve(settings: "Settings") -> None:
    from streams.page import page_server

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console(highlight=False, soft_wrap=True)
    async with page_server(settings) as server:
        gc.collect()
        gc.freeze()  # what is loaded stays, and is not walked again
        console.print(
            f"Halt400 page and API at [bold]{server.url}[/], from Kafka at {settings.kafka.bootstrap_servers}."
        )
        console.print("Ctrl-C stops it.")
        await stop.wait()
    console.print("Stopped.")
