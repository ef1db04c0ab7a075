"""The aiohttp application: routes, access check and one handler per endpoint; read-only, errors as in RFC 9457."""

import hmac
from collections.abc import Callable
from importlib.metadata import version

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import UNSET

from halt400.windows import WINDOWS_S
from streams.api.endpoints import ENDPOINTS
from streams.api.models import Health, Index, QuarantinePage, Readiness, Target, TargetPage
from streams.api.openapi import openapi_document
from streams.api.problems import problem_middleware, raise_problem
from streams.api.query_parameters import QuarantineQuery, RatesQuery, TargetQuery, parse_time, read_query
from streams.api.read_model import ReadModel

__all__ = ["build_api"]

_JSON = "application/json"


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
    handlers = _Handlers(read_model)
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{scope}", "{scope:.+}")
        app.router.add_get(path, getattr(handlers, endpoint.id), name=endpoint.id)
    return app


class _Handlers:
    """One handler per endpoint, with the endpoint's id as its name."""

    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model

    async def index(self, request: web.Request) -> web.Response:
        return _json_response(
            Index(name="halt400", version=version("halt400"), links={found.id: found.path for found in ENDPOINTS})
        )

    async def alive(self, request: web.Request) -> web.Response:
        return _json_response(Health())

    async def ready(self, request: web.Request) -> web.Response:
        ready = self._read_model.healthy
        answer = Readiness(status="ready" if ready else "not_ready", followers=self._read_model.follower_states())
        return _json_response(answer, status=200 if ready else 503)

    async def openapi(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(openapi_document()), content_type=_JSON)

    async def targets(self, request: web.Request) -> web.Response:
        query = read_query(request, TargetQuery)
        model = self._read_model
        page = slice(query.offset, query.offset + query.limit)
        if query.sort in ("target", "-target"):
            # Sorting by name needs no rows, so only the rows of the page are decoded.
            names = [name for name in model.rates.targets() if name.startswith(query.prefix)]
            if query.quarantined is not UNSET:
                quarantined = model.quarantines.targets()
                names = [name for name in names if (name in quarantined) == query.quarantined]
            if query.sort == "-target":
                names.reverse()
            as_of, total, targets = model.as_of, len(names), model.targets(names[page], query.window)
        else:
            overview = await model.all_targets(query.window)
            found = [
                target
                for target in overview.targets
                if target.target.startswith(query.prefix)
                and (query.quarantined is UNSET or bool(target.quarantines) == query.quarantined)
            ]
            as_of, total, targets = overview.as_of, len(found), _sorted(found, query.sort)[page]
        return _json_response(
            TargetPage(
                as_of=as_of,
                total=total,
                limit=query.limit,
                offset=query.offset,
                next=_next(request, query.offset + query.limit, total),
                targets=targets,
            )
        )

    async def rates(self, request: web.Request) -> web.Response:
        target = request.match_info["target"]
        query = read_query(request, RatesQuery)
        try:
            at_ms = None if query.at is UNSET else parse_time(query.at)
        except ValueError as error:
            raise_problem(
                400,
                "bad_parameter",
                f"at: {error}.",
                "Give milliseconds since the Unix epoch, or RFC 3339 such as 2026-01-31T12:00:00Z.",
                parameter="at",
            )
        try:
            found = self._read_model.target_rates(target, query.window or WINDOWS_S, at_ms)
        except ValueError as error:
            raise_problem(
                404, "window_not_kept", f"{error}.", "Ask for a later time or a shorter window.", parameter="at"
            )
        if found is None:
            near = self._read_model.rates.near(target)
            raise_problem(
                404,
                "unknown_target",
                f"Nothing is known of the target {target}.",
                f"Did you mean {near[0]}?" if near else "/v1/targets lists them all.",
                near=near,
            )
        return _json_response(found)

    async def quarantines(self, request: web.Request) -> web.Response:
        query = read_query(request, QuarantineQuery)
        found = self._read_model.quarantines.find(
            states=tuple(query.state) or ("quarantined", "probing"),
            target=query.target or None,
            job_id=query.job_id or None,
            expired=query.expired,
        )
        end = query.offset + query.limit
        return _json_response(
            QuarantinePage(
                as_of=self._read_model.as_of,
                total=len(found),
                limit=query.limit,
                offset=query.offset,
                next=_next(request, end, len(found)),
                quarantines=found[query.offset : end],
            )
        )

    async def quarantine(self, request: web.Request) -> web.Response:
        scope_id = request.match_info["scope"]
        found = self._read_model.quarantines.get(scope_id)
        if found is None:
            raise_problem(
                404,
                "unknown_quarantine",
                f"No command was ever issued for the scope {scope_id}.",
                "/v1/quarantines?expired=true lists all scopes; one looks like job/api.shop.example/extract-099.",
            )
        return _json_response(found)


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


def _json_response(answer: msgspec.Struct, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(msgspec.to_builtins(answer)), status=status, content_type=_JSON)


def _next(request: web.Request, offset: int, total: int) -> str | None:
    return str(request.rel_url.update_query(offset=offset)) if offset < total else None


def _sorted(targets: list[Target], sort: str) -> list[Target]:
    value = _SORT_VALUE[sort.removeprefix("-")]
    sign = -1 if sort.startswith("-") else 1

    def sort_key(target: Target) -> tuple[bool, float, str]:
        found = value(target)
        return found is None, sign * (found or 0), target.target

    return sorted(targets, key=sort_key)


_SORT_VALUE: dict[str, Callable[[Target], float | None]] = {
    "responses": lambda target: target.window.responses,
    "bad_requests": lambda target: target.window.bad_requests,
    "bad_request_ratio": lambda target: target.window.bad_request_ratio,
    "last_bad_request": lambda target: target.last_bad_request,
}
_ENDPOINT_BY_ID = {endpoint.id: endpoint for endpoint in ENDPOINTS}
