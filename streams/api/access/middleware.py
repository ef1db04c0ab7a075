"""The check that every request goes through before its handler: host, origin, rate, identity, role, data."""

from collections.abc import Callable
from typing import Literal, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streams.api.access.access import Access, raise_too_many
from streams.api.access.identity import Identity, Role
from streams.api.problems import raise_problem

__all__ = ["IDENTITY", "access_middleware", "allows", "identity_of"]

IDENTITY = web.RequestKey("identity", Identity)
H = TypeVar("H", bound=Callable[..., object])


def allows(role: Role | Literal["everyone"]) -> Callable[[H], H]:
    """Mark a handler: who may use it. Without a mark a handler needs the role read, or operate to change something."""

    def mark(handler: H) -> H:
        handler.__dict__["halt400_allows"] = role
        return handler

    return mark


def identity_of(request: web.Request) -> Identity:
    """Return who sends a request that has passed the check."""
    return request[IDENTITY]


def access_middleware(access: Access, *, is_caught_up: Callable[[], bool], needs_data: frozenset[str]) -> Middleware:
    """Build the check.

    Parameters
    ----------
    is_caught_up
        Whether data can be answered.
    needs_data
        Names of the routes that need it.
    """

    @web.middleware
    async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
        access.check_origin(request)
        route = request.match_info.route
        allowed = getattr(getattr(route.handler, "__func__", route.handler), "halt400_allows", None)
        if allowed != "everyone":
            _check_identity(access, request, allowed)
        if route.name in needs_data and not is_caught_up():
            raise_problem(
                503,
                "not_caught_up",
                "This process has not read its Kafka topics to the end yet.",
                "Try again in a moment; /readyz shows the progress.",
                headers={"Retry-After": "1"},
            )
        return await handler(request)

    return check_access


def _check_identity(access: Access, request: web.Request, allowed: Role | None) -> None:
    identity = access.identify(request)
    if identity is None:
        raise_problem(
            401,
            "unauthorized",
            "This needs a token of the API.",
            "Send it as `Authorization: Bearer TOKEN`; `halt400 api token add` makes one.",
            headers={"WWW-Authenticate": 'Bearer realm="halt400"'},
        )
    changes = request.method not in ("GET", "HEAD")
    role: Role = allowed or ("operate" if changes else "read")
    if not identity.may(role):
        raise_problem(
            403,
            "role_missing",
            f"{identity.name} may {identity.role}, and this needs the role {role}.",
            f"Use a token with the role {role}.",
        )
    limit = access.changes if changes else access.requests
    client = identity.name if identity.via != "loopback" else request.remote
    wait_s = limit.wait_s((identity.via, client))
    if wait_s > 0:
        raise_too_many("changes" if changes else "requests", wait_s)
    request[IDENTITY] = identity
