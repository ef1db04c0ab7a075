"""`halt400 run`: Kafka, topics, worker and the demonstration on this machine, until Ctrl-C."""

import signal
import sys

import typer
from rich.console import Console

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def run(
        once: bool = typer.Option(False, "--once", help="End after the demonstration; exit 1 if it failed."),
    ) -> None:
        """Start everything on this machine and show it at work.

        A local Kafka is started unless HALT400_KAFKA_BOOTSTRAP_SERVERS names a cluster. Ctrl-C stops all of it and
        leaves nothing behind but the archive.

        Example: halt400 run
        """
        import asyncio

        from streams.demo import run_demo
        from streams.running import running
        from streams.web.server import base_url

        console = Console()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            with running(console) as settings:
                outcome = asyncio.run(
                    run_demo(settings.kafka.bootstrap_servers, settings.kafka.topic_prefix, once=True, console=console)
                )
                url = base_url(settings.api.host, settings.api.port)
                console.print(f"\nThe HTTP API answers at [bold]{url}[/], for instance:")
                console.print(f"  curl {url}/v1/quarantines", highlight=False)
                console.print("  halt400 rates", highlight=False)
                if once:
                    raise typer.Exit(0 if outcome.complete else 1)
                console.print("Ctrl-C stops all of it.")
                signal.pause()
        except KeyboardInterrupt:
            console.print("\nStopped; nothing is left running.")
