"""The fleet: every target, worst first."""

import time
from typing import cast

from aiohttp import web

from halt400.windows import WINDOWS_S
from streams.page.context import PageContext, Pager, query_choice, query_offset, query_text
from streams.page.fleet import STATES, Fleet, State
from streams.page.rendering import html_response

__all__ = ["FleetHandlers"]

ROWS = 50
PART_KEPT_S = 0.5
"""For so long, unless something is halted or released, those who look at the same get the same rows."""
MOST_PARTS = 64


class FleetHandlers:
    """Answers with the fleet."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._fleet = Fleet(context.model)
        self._parts: dict[str, tuple[tuple[int, int], str]] = {}
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
        is_part = "HX-Request" in request.headers
        made_of = self._context.model.quarantines.revision, int(time.monotonic() / PART_KEPT_S)
        known = self._parts.get(request.path_qs) if is_part else None
        if known is not None and known[0] == made_of:
            return html_response(known[1])
        found = await self._fleet.page(
            window=query["window"],
            search=query["search"],
            state=cast("State", query["state"]) or None,
            sort=query["sort"],
            offset=offset,
            limit=ROWS,
        )
        response = self._context.page(
            request,
            "fleet.html",
            events="/v1/events?kind=quarantine,targets",
            found=found,
            query=query,
            words=STATES,
            windows=list(WINDOWS_S),
            pager=Pager.of(request, offset=offset, limit=ROWS, total=found.total),
        )
        if is_part:
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            self._parts[request.path_qs] = made_of, response.text or ""
        return response
