"""Who is recorded of a change, and the line of the log that every change is."""

import logging

from aiohttp import web

from streams.alerts.text import one_line
from streams.api.access.middleware import identity_of

__all__ = ["actor_of", "log_change"]

log = logging.getLogger("halt400.api")


def actor_of(request: web.Request, given: str | None) -> str:
    """Return who is recorded: the name that was proven, and before it the one that was given."""
    identity = identity_of(request)
    if given is None or given == identity.name:
        return identity.name
    return given if identity.via == "loopback" else f"{given} via {identity.name}"


def log_change(request: web.Request, what: str, actor: str, reason: str) -> None:
    """Log who does what, and why."""
    identity = identity_of(request)
    log.info("%s %s: %s (%s, from %s)", one_line(actor), one_line(what), one_line(reason), identity.via, request.remote)
