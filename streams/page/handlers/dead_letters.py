"""One dead letter, and the form that publishes some again."""

from aiohttp import web

from streams.api.app import REDRIVE
from streams.api.log_records import DLQ_TOPICS, parse_place
from streams.api.operation_models import RedriveBody
from streams.api.problems import raise_problem
from streams.page.context import PageContext

__all__ = ["DeadLetterPageHandlers"]

MOST_IDS = 1000


class DeadLetterPageHandlers:
    """Answers with dead letters."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [
            web.get("/dead-letters/{topic}/{id}", self.dead_letter),
            web.post("/dead-letters", self.redrive),
        ]

    async def dead_letter(self, request: web.Request) -> web.Response:
        """Answer with one dead letter and the beginning of its value, redacted."""
        topic, text = request.match_info["topic"], request.match_info["id"]
        self._context.require_data()
        place = parse_place(text) if topic in DLQ_TOPICS else None
        found = None if place is None else await self._context.model.logs.dead_letter(topic, place)
        if found is None:
            raise_problem(
                404, "unknown_record", f"There is no dead letter {text[:60]}.", "The broker deletes old records."
            )
        letter, value, is_cut = found
        may_operate = self._context.may_operate(request)
        return self._context.page(
            request, "dead_letter.html", letter=letter, value=value, is_cut=is_cut, may_operate=may_operate
        )

    async def redrive(self, request: web.Request) -> web.Response:
        """Publish dead letters again, and answer with what came of each."""
        form = await request.post()
        ids = [str(value) for value in form.getall("id", []) if parse_place(str(value)) is not None]
        which, reason = str(form.get("which", "")), str(form.get("reason", ""))[:1000]
        if which == "chosen" and not ids:
            raise_problem(400, "bad_body", "No dead letter is chosen.", "Choose some, or publish all again.")
        if not reason.strip():
            raise_problem(400, "bad_body", "The form has no reason.", "Say why; it is recorded.", parameter="reason")
        body = RedriveBody(
            reason=reason,
            ids=ids[:MOST_IDS] if which == "chosen" else [],
            error=which.removeprefix("error:")[:100] if which.startswith("error:") else None,
            all=which == "all",
        )
        found = await request.app[REDRIVE].redrive_as(request, body)
        return self._context.page(request, "redriven.html", found=found)
