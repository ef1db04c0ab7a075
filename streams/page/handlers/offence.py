"""The recent offences, and one of them: request and response side by side, as text and nothing else."""

from collections.abc import Callable
from typing import Any, get_args

import orjson
from aiohttp import web

from halt400.exchanges.resend import curl_command
from halt400.records import Cause, Offence, Request, Response
from streams.api.log_models import OffenceSummary
from streams.api.log_records import parse_place
from streams.api.problems import raise_problem
from streams.page.context import PageContext, Pager, query_choice, query_offset, query_text

__all__ = ["OffencePageHandlers"]

ROWS = 50
CAUSES = get_args(Cause)


class OffencePageHandlers:
    """Answers with offences."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [
            web.get("/offences", self.offences),
            web.get("/offences/{id}", self.offence),
            web.get("/offences/{id}/har", self.har),
        ]

    async def offences(self, request: web.Request) -> web.Response:
        """Answer with a page of the recent offences."""
        context = self._context
        context.require_data()
        logs, query = context.model.logs, self._query(request)
        found = list(filter(_filter(query), logs.offences.newest(lambda offence: offence.time)))
        offset = query_offset(request)
        return context.page(
            request,
            "offences.html",
            query=query,
            causes=CAUSES,
            offences=[logs.redacted(one) for one in found[offset : offset + ROWS]],
            reader=logs.offences,
            pager=Pager.of(request, offset=offset, limit=ROWS, total=len(found)),
            events="/v1/events?kind=offence",
        )

    async def offence(self, request: web.Request) -> web.Response:
        """Answer with one offence."""
        found = await self._find(request)
        event = found.event
        return self._context.page(
            request,
            "offence.html",
            id=request.match_info["id"],
            offence=found,
            event=event,
            request_text=_request_text(event.request),
            response_text=_response_text(event.response),
            curl=curl_command(event.request),
        )

    async def har(self, request: web.Request) -> web.Response:
        """Answer with one offence as a HAR file, to be saved."""
        found = await self._find(request)
        name = f"halt400-{request.match_info['id']}.har"
        return web.Response(
            body=orjson.dumps(self._context.model.logs.har(found)),
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"},
        )

    async def _find(self, request: web.Request) -> Offence:
        text = request.match_info["id"]
        self._context.require_data()
        place = parse_place(text)
        found = None if place is None else await self._context.model.logs.offence(place)
        if found is None:
            raise_problem(
                404,
                "unknown_record",
                f"There is no offence {text[:60]}.",
                "The broker deletes old records; the archive keeps its evidence.",
            )
        return found

    def _query(self, request: web.Request) -> dict[str, str]:
        return {
            "target": query_text(request, "target"),
            "job_id": query_text(request, "job_id"),
            "cause": query_choice(request, "cause", CAUSES),
            "opens": query_choice(request, "opens", ("true", "false")),
        }


def _filter(query: dict[str, str]) -> Callable[[OffenceSummary], bool]:
    def fits(one: OffenceSummary) -> bool:
        return (
            query["target"].lower() in one.target.lower()
            and query["job_id"].lower() in one.job_id.lower()
            and query["cause"] in ("", one.diagnosis.cause if one.diagnosis else "unknown")
            and query["opens"] in ("", "true" if one.opens else "false")
        )

    return fits


def _request_text(request: Request) -> str:
    return _message(f"{request.method} {request.url} HTTP/{request.http_version}", request)


def _response_text(response: Response) -> str:
    return _message(f"HTTP {response.status}", response)


def _message(first: str, message: Any) -> str:
    """A message as text: its first line, its headers in their order, its body."""
    lines = [first, *(f"{name}: {value}" for name, value in message.headers), ""]
    if message.body is not None:
        lines.append(message.body)
    elif message.body_base64 is not None:
        lines.append(f"(not text; Base64)\n{message.body_base64}")
    if message.body_truncated:
        lines.append(f"(cut; {message.body_size:,} bytes in all)" if message.body_size else "(cut)")
    return "\n".join(lines)
