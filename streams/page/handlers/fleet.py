"""The fleet: every target, worst first."""

from typing import cast

from aiohttp import web

from halt400.windows import WINDOWS_S
from streams.page.context import PageContext, Pager, query_choice, query_offset, query_text
from streams.page.fleet import STATES, Fleet, State

__all__ = ["FleetHandlers"]

ROWS = 50


class FleetHandlers:
    """Answers with the fleet."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._fleet = Fleet(context.model)
        self.routes = [web.get("/", self.fleet)]

    async def fleet(self, request: web.Request) -> web.Response:
        """Answer with a page of the fleet."""
        self._context.require_data()
        query = {
            "search": query_text(request, "search"),
            "state": query_choice(request, "state", STATES),
            "window": query_choice(request, "window", WINDOWS_S, "5m"),
            "sort": query_choice(request, "sort", ("worst", "name"), "worst"),
        }
        offset = query_offset(request)
        found = await self._fleet.page(
            window=query["window"],
            search=query["search"],
            state=cast("State", query["state"]) or None,
            sort=query["sort"],
            offset=offset,
            limit=ROWS,
        )
        return self._context.page(
            request,
            "fleet.html",
            events="/v1/events?kind=quarantine,targets",
            found=found,
            query=query,
            words=STATES,
            windows=list(WINDOWS_S),
            pager=Pager.of(request, offset=offset, limit=ROWS, total=found.total),
        )
