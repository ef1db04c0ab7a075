"""The aiohttp application: routes and access check; errors as in RFC 9457."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streams.api.endpoints import ENDPOINTS
from streams.api.handlers.logs import LogHandlers
from streams.api.handlers.quarantines import QuarantineHandlers
from streams.api.handlers.service import ServiceHandlers
from streams.api.handlers.targets import TargetHandlers
from streams.api.problems import problem_middleware, raise_problem
from streams.api.read_model import ReadModel

__all__ = ["build_api"]


def build_api(read_model: ReadModel, *, token: str | None) -> web.Application:
    """Build the application.

    Parameters
    ----------
    read_model
        Has the data; the caller starts and stops it.
    token
        Bearer token that every request except the health checks must send; None: no token is needed.
    """
    app = web.Application(middlewares=[problem_middleware, _access_middleware(read_model, token)])
    app.on_response_prepare.append(_set_headers)
    groups = [kind(read_model) for kind in _HANDLERS]
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{scope}", "{scope:.+}").replace("{incident}", "{incident:.+}")
        (handler,) = [found for group in groups if (found := getattr(group, endpoint.id, None)) is not None]
        app.router.add_get(path, handler, name=endpoint.id)
    return app


def _access_middleware(read_model: ReadModel, token: str | None) -> Middleware:
    """Refuse requests without the token, and those for data that has not been read yet."""

    @web.middleware
    async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = _ENDPOINT_BY_ID.get(request.match_info.route.name or "")
        if token is not None and not (endpoint and endpoint.open) and not _has_token(request, token):
            raise_problem(
                401,
                "unauthorized",
                "This needs the API's token.",
                "Send it as `Authorization: Bearer TOKEN`; it is the server's HALT400_API_TOKEN.",
                headers={"WWW-Authenticate": 'Bearer realm="halt400"'},
            )
        if endpoint is not None and endpoint.data and not read_model.caught_up:
            raise_problem(
                503,
                "not_caught_up",
                "This process has not read its Kafka topics to the end yet.",
                "Try again in a moment; /readyz shows the progress.",
                headers={"Retry-After": "1"},
            )
        return await handler(request)

    return check_access


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())
    return scheme.lower() == "bearer" and right


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "halt400"


_HANDLERS = (ServiceHandlers, TargetHandlers, QuarantineHandlers, LogHandlers)
_ENDPOINT_BY_ID = {endpoint.id: endpoint for endpoint in ENDPOINTS}
