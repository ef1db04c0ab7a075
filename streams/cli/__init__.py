"""The service's commands, added to `halt400` where the service is installed."""

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the service's commands to the command line."""
