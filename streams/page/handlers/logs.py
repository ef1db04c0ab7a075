"""Quarantines, findings and alerts, each as a log with filters."""

from typing import get_args

from aiohttp import web

from streams.api.alert_routes import AlertRoute, show_route
from streams.api.app import ALERTING
from streams.api.choices import State
from streams.api.models import Problem
from streams.api.problems import ProblemError
from streams.detection.findings import FindingKind, Severity
from streams.page.context import PageContext, Pager, query_choice, query_offset, query_text

__all__ = ["LogPageHandlers"]

ROWS = 50
STATES = get_args(State)
KINDS = get_args(FindingKind)
SEVERITIES = get_args(Severity)


class LogPageHandlers:
    """Answers with the logs."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [
            web.get("/quarantines", self.quarantines),
            web.get("/findings", self.findings),
            web.get("/alerts", self.alerts),
        ]

    async def quarantines(self, request: web.Request) -> web.Response:
        """Answer with what is halted, or with the commands that are still known."""
        context = self._context
        context.require_data()
        book = context.model.quarantines
        query = {
            "view": query_choice(request, "view", ("in_force", "history"), "in_force"),
            "target": query_text(request, "target"),
            "job_id": query_text(request, "job_id"),
            "state": query_choice(request, "state", STATES),
        }
        target, job_id = query["target"].lower(), query["job_id"].lower()
        offset = query_offset(request)
        page = slice(offset, offset + ROWS)
        if query["view"] == "history":
            commands = book.history.find(
                lambda scope, state, issued_at: (
                    target in scope.target.lower()
                    and job_id in (scope.job_id or "").lower()
                    and query["state"] in ("", state)
                )
            )
            total = len(commands)
            shown = [book.without_secrets(found) for decode in commands[page] if (found := decode()) is not None]
        else:
            states = (query["state"],) if query["state"] in ("quarantined", "probing") else ("quarantined", "probing")
            in_force = [
                found
                for found in book.find(states=states, target=None, job_id=None, expired=False)
                if target in found.scope.target.lower() and job_id in (found.scope.job_id or "").lower()
            ]
            total, shown = len(in_force), [*book.shown(in_force[page])]
        return context.page(
            request,
            "quarantines.html",
            query=query,
            states=STATES,
            commands=shown,
            total=total,
            pager=Pager.of(request, offset=offset, limit=ROWS, total=total),
            may_operate=context.may_operate(request),
            events="/v1/events?kind=quarantine",
        )

    async def findings(self, request: web.Request) -> web.Response:
        """Answer with the recent findings."""
        context = self._context
        context.require_data()
        reader = context.model.logs.findings
        query = {
            "kind": query_choice(request, "kind", KINDS),
            "severity": query_choice(request, "severity", SEVERITIES),
            "target": query_text(request, "target"),
        }
        target = query["target"].lower()
        found = [
            one
            for one in reader.newest(lambda one: one.at_ms)
            if query["kind"] in ("", one.kind)
            and query["severity"] in ("", one.severity)
            and (not target or any(target in name.lower() for name in (one.target or "", *one.targets)))
        ]
        offset = query_offset(request)
        return context.page(
            request,
            "findings.html",
            query=query,
            kinds=KINDS,
            severities=SEVERITIES,
            findings=found[offset : offset + ROWS],
            reader=reader,
            pager=Pager.of(request, offset=offset, limit=ROWS, total=len(found)),
            events="/v1/events?kind=finding",
        )

    async def alerts(self, request: web.Request) -> web.Response:
        """Answer with the incidents, and what each sink was sent of them."""
        context = self._context
        context.require_data()
        book = context.model.incidents
        query = {
            "state": query_choice(request, "state", ("open", "closed", "all"), "open"),
            "target": query_text(request, "target"),
        }
        target = query["target"].lower()
        found = [
            one
            for one in book.find(is_open=_IS_OPEN[query["state"]], target=None, cause=None)
            if target in one.target.lower()
        ]
        offset = query_offset(request)
        routes, problem = _routes(request)
        return context.page(
            request,
            "alerts.html",
            query=query,
            routes=routes,
            problem=problem,
            incidents=[book.shown(one) for one in found[offset : offset + ROWS]],
            pager=Pager.of(request, offset=offset, limit=ROWS, total=len(found)),
            may_operate=context.may_operate(request),
            events="/v1/events?kind=incident",
        )


_IS_OPEN = {"open": True, "closed": False, "all": None}


def _routes(request: web.Request) -> tuple[list[AlertRoute], Problem | None]:
    """The routes of the file that this process reads, or why there are none."""
    try:
        config, _ = request.app[ALERTING].config()
    except ProblemError as error:
        return [], error.problem
    return [show_route(config, route) for route in config.routing.routes], None
