"""The handler that publishes dead letters again, as `halt400 dead-letters redrive` does."""

import asyncio
from collections import Counter

from aiohttp import web

from streams.api.access.actor import actor_of, log_change
from streams.api.operation_models import RedriveBody, RedrivenLetter, RedriveResult
from streams.api.problems import raise_problem
from streams.api.read_model import ReadModel
from streams.api.request_body import read_body
from streams.api.responses import json_response
from streams.dead_letters import RefusedRecord, redrive

__all__ = ["RedriveHandlers"]

MOST_RESULTS = 1000
_ORDER = {"sent": 0, "refused": 1, "done": 2}


class RedriveHandlers:
    """Publishes dead letters again, one call at a time: the second of two sees what the first has done."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model
        self._lock = asyncio.Lock()

    async def redrive(self, request: web.Request) -> web.Response:
        """Publish dead letters again, and answer what came of each."""
        return json_response(await self.redrive_as(request, await read_body(request, RedriveBody)))

    async def redrive_as(self, request: web.Request, body: RedriveBody) -> RedriveResult:
        """Publish dead letters again on behalf of who sends the request."""
        if not (body.ids or body.error or body.all):
            raise_problem(
                400, "bad_body", "The body says not which dead letters.", "Give ids, error or all.", parameter="ids"
            )
        chosen, by, model = set(body.ids), actor_of(request, body.actor), self._model

        def wanted(letter: RefusedRecord) -> bool:
            return (not chosen or letter.id in chosen) and body.error in (None, letter.error)

        which = ", ".join(sorted(chosen)[:5]) or body.error or "all"
        log_change(request, f"publishes dead letters again ({which})", by, body.reason)
        async with self._lock:
            # In a loop of its own: the topic is read from its beginning, and this one serves others meanwhile.
            found = await asyncio.to_thread(
                lambda: asyncio.run(redrive(model.kafka, model.partitions, wanted, by=by, reason=body.reason))
            )
        missing = sorted(chosen - {letter.id for letter in found})
        if missing:
            raise_problem(
                404,
                "unknown_record",
                f"There is no dead letter {', '.join(missing[:5])}; the others were taken.",
                "/v1/dead-letters lists the recent ones.",
            )
        counts = Counter(letter.result for letter in found)
        shown = sorted(found, key=lambda letter: (_ORDER.get(letter.result, 3), letter.id))[:MOST_RESULTS]
        return RedriveResult(
            by=by,
            sent=counts["sent"],
            done=counts["done"],
            refused=counts["refused"],
            letters=[
                RedrivenLetter(id=one.id, target=one.target, error=one.error, result=one.result, detail=one.detail)
                for one in shown
                if one.result != "waiting"
            ],
        )
