"""Adds the pages to the API's application: routes, and every problem of a page as a page."""

from urllib.parse import urlencode

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streams.api.models import Problem
from streams.api.problems import PROBLEM_JSON
from streams.api.read_model import ReadModel
from streams.page.assets import Assets
from streams.page.context import PageContext
from streams.page.handlers.alerting import AlertingPageHandlers
from streams.page.handlers.dead_letters import DeadLetterPageHandlers
from streams.page.handlers.diagnose import DiagnoseHandlers
from streams.page.handlers.fleet import FleetHandlers
from streams.page.handlers.logs import LogPageHandlers
from streams.page.handlers.offence import OffencePageHandlers
from streams.page.handlers.operations import OperationPageHandlers
from streams.page.handlers.service import ServicePageHandlers
from streams.page.handlers.target import TargetPageHandlers
from streams.page.rendering import Renderer

__all__ = ["add_page"]

_HANDLERS = (
    FleetHandlers,
    TargetPageHandlers,
    OffencePageHandlers,
    LogPageHandlers,
    DeadLetterPageHandlers,
    AlertingPageHandlers,
    DiagnoseHandlers,
    ServicePageHandlers,
    OperationPageHandlers,
)
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
_NOT_PAGES = ("/v1", "/healthz", "/readyz", "/openapi.json", "/assets/")


def add_page(app: web.Application, read_model: ReadModel) -> None:
    """Add the pages to the API's application."""
    assets = Assets()
    context = PageContext(read_model, Renderer(assets))
    app.middlewares.insert(0, _problem_pages(context))
    app.router.add_get("/assets/{hash}/{name}", assets.serve)
    for kind in _HANDLERS:
        app.router.add_routes(kind(context).routes)
    app.on_response_prepare.append(_keep_assets)


def _problem_pages(context: PageContext) -> Middleware:
    """Turn the problem documents of pages, and of unknown addresses that a browser asks for, into pages."""

    @web.middleware
    async def show_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if (
            response.content_type != PROBLEM_JSON
            or request.path.startswith(_NOT_PAGES)
            or not isinstance(response, web.Response)
        ):
            return response
        if response.status == 401 and request.method in ("GET", "HEAD"):
            return _sign_in(request)
        problem = msgspec.json.decode(bytes(response.body or b""), type=Problem)  # type: ignore[arg-type]
        page = context.page(request, "problem.html", status=response.status, problem=problem, fragment=False)
        for name in ("Retry-After", "Allow", "WWW-Authenticate"):
            if name in response.headers:
                page.headers[name] = response.headers[name]
        if problem.code == "not_caught_up":
            page.headers["Refresh"] = "2"
        return page

    return show_problems


def _sign_in(request: web.Request) -> web.Response:
    """Lead who has no session to the form for a token, htmx too."""
    address = f"/sign-in?{urlencode({'back': request.rel_url.raw_path_qs})}"
    if "HX-Request" in request.headers:
        return web.Response(status=200, headers={"HX-Redirect": "/sign-in"})
    return web.Response(status=303, headers={"Location": address})


async def _keep_assets(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith("/assets/") and response.status == 200:
        response.headers["Cache-Control"] = KEPT_FOR_GOOD
