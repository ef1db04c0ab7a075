"""The aiohttp application: routes, and what every request goes through; errors as in RFC 9457."""

from collections.abc import Callable

from aiohttp import web

from streams.api.access.access import Access
from streams.api.access.middleware import access_middleware
from streams.api.endpoints import ENDPOINTS
from streams.api.handlers.alerting import AlertingHandlers
from streams.api.handlers.diagnosis import DiagnosisHandlers
from streams.api.handlers.events import EventHandlers
from streams.api.handlers.logs import LogHandlers
from streams.api.handlers.operations import OperationHandlers
from streams.api.handlers.quarantines import QuarantineHandlers
from streams.api.handlers.redrive import RedriveHandlers
from streams.api.handlers.service import ServiceHandlers
from streams.api.handlers.session import SessionHandlers
from streams.api.handlers.targets import TargetHandlers
from streams.api.problems import problem_middleware
from streams.api.protocol import HEADERS
from streams.api.read_model import ReadModel
from streams.api.request_body import MOST_BODY_BYTES

__all__ = ["ALERTING", "OPERATIONS", "REDRIVE", "SESSIONS", "Extend", "build_api"]

Extend = Callable[[web.Application, ReadModel], None]
"""Adds routes of another room to the application."""
ALERTING = web.AppKey("alerting", AlertingHandlers)
OPERATIONS = web.AppKey("operations", OperationHandlers)
REDRIVE = web.AppKey("redrive", RedriveHandlers)
SESSIONS = web.AppKey("sessions", SessionHandlers)


def build_api(read_model: ReadModel, access: Access, extend: Extend | None = None) -> web.Application:
    """Build the application.

    Parameters
    ----------
    read_model
        Has the data; the caller starts and stops it.
    access
        Says who sends a request, and whether it may.
    extend
        Adds the page.
    """
    needs_data = frozenset(endpoint.id for endpoint in ENDPOINTS if endpoint.data)
    check = access_middleware(access, is_caught_up=lambda: read_model.caught_up, needs_data=needs_data)
    app = web.Application(middlewares=[problem_middleware, check], client_max_size=MOST_BODY_BYTES)
    app.on_response_prepare.append(_set_headers)
    operations = app[OPERATIONS] = OperationHandlers(read_model)
    redrive = app[REDRIVE] = RedriveHandlers(read_model)
    alerting = app[ALERTING] = AlertingHandlers(read_model)
    sessions = app[SESSIONS] = SessionHandlers(access)

    async def stop_operations(_: web.Application) -> None:
        await operations.stop()

    async def end_streams(_: web.Application) -> None:
        await read_model.events.stop()

    app.on_shutdown.append(end_streams)
    app.on_cleanup.append(stop_operations)
    groups = (
        ServiceHandlers(read_model),
        TargetHandlers(read_model),
        QuarantineHandlers(read_model),
        LogHandlers(read_model),
        DiagnosisHandlers(read_model),
        operations,
        redrive,
        alerting,
        sessions,
        EventHandlers(read_model.events),
    )
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{scope}", "{scope:.+}").replace("{incident}", "{incident:.+}")
        path = path.replace("{target}", "{target:[^/]+}")  # braces too
        (handler,) = [found for group in groups if (found := getattr(group, endpoint.id, None)) is not None]
        if endpoint.method == "GET":
            app.router.add_get(path, handler, name=endpoint.id)
        else:
            app.router.add_route(endpoint.method, path, handler, name=endpoint.id)
    if extend is not None:
        extend(app, read_model)
    return app


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
