"""One target: what broke, why, since when, what was halted, and what to do."""

from typing import NoReturn

from aiohttp import web

from halt400.windows import WINDOWS_S
from streams.api.problems import raise_problem
from streams.api.series import SPANS_S
from streams.page.charts import Marker, chart, shade_sample
from streams.page.context import PageContext, query_choice
from streams.page.fleet import FEW_RESPONSES, STATES
from streams.page.shading import SHADE_TEXTS
from streams.page.target import view_target

__all__ = ["TargetPageHandlers"]

LEGEND = (
    Marker("quarantine", 0, "quarantine"),
    Marker("probe", 0, "probe"),
    Marker("release", 0, "release"),
    Marker("scraper_release", 0, "first 400 of a scraper’s release"),
)


class TargetPageHandlers:
    """Answers with one target."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [web.get("/targets/{target:[^/]+}", self.target)]

    async def target(self, request: web.Request) -> web.Response:
        """Answer with the page of a target."""
        context, name = self._context, request.match_info["target"]
        context.require_data()
        span = query_choice(request, "span", SPANS_S, "1h")
        view = await view_target(context.model, name, span)
        if view is None:
            self._raise_unknown(name)
        return context.page(
            request,
            "target.html",
            view=view,
            chart=chart(view.series, view.markers, view.shades, context.model.clock_ms()),
            legend=LEGEND,
            shade_legend=[(shade_sample(kind), text) for kind, text in SHADE_TEXTS.items()],
            spans=list(SPANS_S),
            span=span,
            few=FEW_RESPONSES,
            words=STATES,
            windows=WINDOWS_S,
            may_operate=context.may_operate(request),
            events=context.events_of(name),
        )

    def _raise_unknown(self, name: str) -> NoReturn:
        near = self._context.model.rates.near(name)
        raise_problem(404, "unknown_target", f"Nothing is known of the target {name}.", "", near=near)
