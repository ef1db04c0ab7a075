"""`halt400 demo`: show a job being halted, on a cluster where a worker runs."""

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        once: bool = typer.Option(False, "--once", help="End after the demonstration, for scripts."),
    ) -> None:
        """Let a scraper send broken JSON to a local API, and show how it is halted.

        Needs Kafka, its topics and a worker: `halt400 run` starts all of them.

        Exit codes: 0 every step was seen, 1 some were not, or Kafka, a topic or the worker is missing.

        Example: halt400 demo --once
        """
        import asyncio

        from rich.console import Console

        from streams.demo import run_demo
        from streams.settings import load_settings

        settings = load_settings()
        try:
            outcome = asyncio.run(run_demo(settings, Console(), once=once))
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
        raise typer.Exit(0 if outcome.complete else 1)
