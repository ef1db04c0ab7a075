"""The handlers of quarantines: what is halted, and every command that is still known."""

from aiohttp import web
from msgspec import UNSET

from halt400.records import Scope
from streams.api.models import CommandPage, QuarantinePage
from streams.api.problems import raise_problem
from streams.api.query_parameters import CommandQuery, QuarantineQuery, between, read_query
from streams.api.read_model import ReadModel
from streams.api.responses import json_response, page_of

__all__ = ["QuarantineHandlers"]


class QuarantineHandlers:
    """Answers about quarantines."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model

    async def quarantines(self, request: web.Request) -> web.Response:
        """Answer with a page of the quarantines."""
        query, model = read_query(request, QuarantineQuery), self._model
        found = model.quarantines.find(
            states=tuple(query.state) or ("quarantined", "probing"),
            target=query.target or None,
            job_id=query.job_id or None,
            expired=query.expired,
        )
        page, commands = page_of(request, query, found)
        quarantines = model.quarantines.shown(commands)
        answer = QuarantinePage(as_of=model.as_of, stale=not model.healthy, quarantines=quarantines, **page)
        return json_response(answer, now_ms=model.clock_ms())

    async def quarantine(self, request: web.Request) -> web.Response:
        """Answer with the latest command of one scope."""
        scope_id, model = request.match_info["scope"], self._model
        found = model.quarantines.get(scope_id)
        if found is None:
            raise_problem(
                404,
                "unknown_quarantine",
                f"No command was ever issued for the scope {scope_id}.",
                "/v1/quarantines?expired=true lists all scopes; one looks like job/api.shop.example/extract-099.",
            )
        return json_response(found, as_of=model.as_of, now_ms=model.clock_ms())

    async def commands(self, request: web.Request) -> web.Response:
        """Answer with a page of the commands."""
        query, model = read_query(request, CommandQuery), self._model
        is_between = between(query.since, query.until)

        def matches(scope: Scope, state: str, issued_at: int) -> bool:
            return (
                (query.scope is UNSET or scope.id == query.scope)
                and (query.target is UNSET or scope.target == query.target)
                and (query.job_id is UNSET or scope.job_id == query.job_id)
                and (not query.state or state in query.state)
                and is_between(issued_at)
            )

        page, commands = page_of(request, query, model.quarantines.history.find(matches))
        quarantines, follower = model.quarantines, model.quarantines.follower
        answer = CommandPage(
            as_of=model.as_of_these([follower]),
            stale=not follower.healthy,
            commands=[quarantines.without_secrets(found) for decode in commands if (found := decode()) is not None],
            **page,
        )
        return json_response(answer, now_ms=model.clock_ms())
