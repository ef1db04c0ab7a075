"""`halt400 run`: Kafka, topics, a worker and the demonstration on this machine, until Ctrl-C."""

import shutil
import signal
import sys
from pathlib import Path

import typer
from rich.console import Console

__all__ = ["register", "show"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def run(
        once: bool = typer.Option(False, "--once", help="End after the demonstration; exit 1 if it failed."),
    ) -> None:
        """Start everything on this machine and show it at work.

        A local Kafka is started unless HALT400_KAFKA_BOOTSTRAP_SERVERS names a cluster. Ctrl-C stops all of it and
        leaves only the archive and the worker's log.

        Exit codes: 0 ended, 1 something did not start, or the demonstration failed; 143 ended by SIGTERM.

        Example: halt400 run
        """
        console = Console()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
        try:
            complete = show(console, stay=not once)
        except KeyboardInterrupt:
            console.print("\nStopped; nothing is left running.")
        else:
            raise typer.Exit(0 if complete else 1)


def show(console: Console, *, stay: bool) -> bool:
    """Start everything, show the demonstration, print what to look at, and stop everything again.

    Parameters
    ----------
    stay
        Keep it running until a signal comes.

    Returns
    -------
    bool
        Whether every step of the demonstration was seen.

    Raises
    ------
    Halt400Error
        Something that is needed cannot be started.
    """
    import asyncio

    from streams.alerts.config import NO_ALERTS, has_alerts
    from streams.api.server import base_url
    from streams.cli.local_stack import local_stack
    from streams.demo import run_demo

    with local_stack(console) as settings:
        outcome = asyncio.run(run_demo(settings, console, once=True))
        url, halt400 = base_url(settings.api.host, settings.api.port), _called()
        console.print(f"\nThe HTTP API answers at [bold]{url}[/], for instance:", highlight=False)
        for command in (f"curl {url}/v1/quarantines", f"{halt400} quarantines", f"{halt400} rates"):
            console.print(f"  {command}", highlight=False, soft_wrap=True)
        console.print("What asks Kafka, such as doctor, explain and release, needs in another terminal:")
        servers = f"export HALT400_KAFKA_BOOTSTRAP_SERVERS={settings.kafka.bootstrap_servers}"
        console.print(f"  {servers}", highlight=False, soft_wrap=True)
        if not has_alerts(settings.config.found):
            console.print(NO_ALERTS, highlight=False, markup=False)
        console.print(f"\nThe page is at [bold]{url}[/]", highlight=False)
        if stay:
            console.print("Ctrl-C stops all of it.")
            signal.pause()
    return outcome.complete


def _called() -> str:
    """How `halt400` was called, for commands to copy: `make run` calls one that is not on the path."""
    called = Path(sys.argv[0])
    if called.name != "halt400":
        return "python -m halt400"
    return "halt400" if shutil.which("halt400") == str(called.absolute()) else str(called)
