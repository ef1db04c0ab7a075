"""`halt400 api`: the HTTP API in a process of its own."""

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def api(
        host: Annotated[
            str | None, typer.Option(help="Address to listen on.", show_default="HALT400_API_HOST, 127.0.0.1")
        ] = None,
        port: Annotated[
            int | None,
            typer.Option(help="Port, 0 for any free one.", show_default="HALT400_API_PORT, 8400", min=0, max=65535),
        ] = None,
    ) -> None:
        """Serve the HTTP API until Ctrl-C: rates of every target, and the quarantines.

        It answers for all targets. A worker serves the API too, unless HALT400_API_ENABLED is false.
        """
        from streams.archive.redaction import redactor_of
        from streams.logs import log_to_stderr
        from streams.settings import load_settings

        given: dict[str, Any] = {"host": host, "port": port}
        settings = load_settings(api={name: value for name, value in given.items() if value is not None})
        log_to_stderr(settings, redactor_of(settings), "api")
        for chatty in ("kafka", "aiohttp"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
        asyncio.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    from streams.api.server import ApiServer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console = Console(highlight=False, soft_wrap=True)
    async with ApiServer.of(settings) as server:
        console.print(
            f"Halt400 API at [bold]{server.url}[/], from Kafka at {settings.kafka.bootstrap_servers}. Ctrl-C stops it."
        )
        if settings.api.token is None and settings.api.host not in ("127.0.0.1", "::1", "localhost"):
            console.print("[yellow]Everyone who can reach this machine can use it: set HALT400_API_TOKEN.[/]")
        await stop.wait()
    console.print("Stopped.")
