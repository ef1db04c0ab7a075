"""The service's commands, added to `halt400` where the service is installed."""

import typer

from streams.cli import (
    alerts,
    api,
    archive,
    dead_letters,
    demo,
    doctor,
    explain,
    local,
    operations,
    queries,
    rebuild,
    recent,
    replay,
    run,
    settings,
    signing,
    top,
    topics,
    what_if,
    worker,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the service's commands to the command line."""
    alerts.register(app)
    api.register(app)
    archive.register(app)
    dead_letters.register(app)
    demo.register(app)
    doctor.register(app)
    explain.register(app)
    local.register(app)
    operations.register(app)
    queries.register(app)
    rebuild.register(app)
    recent.register(app)
    replay.register(app)
    run.register(app)
    worker.register(app)
    settings.register(app)
    signing.register(app)
    top.register(app)
    topics.register(app)
    what_if.register(app)
