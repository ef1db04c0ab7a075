"""The service's commands, added to `halt400` where the service is installed."""

import typer

from streams.cli import worker

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the service's commands to the command line."""
    worker.register(app)
