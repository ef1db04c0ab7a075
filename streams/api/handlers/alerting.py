"""The handlers of who is alerted: the routes, their test, and sending again what no sink took."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from msgspec import UNSET

from halt400.errors import SettingError
from streams.alerts.config import AlertsConfig, has_alerts, load_alerts
from streams.alerts.dead_letters import resend
from streams.alerts.route_check import check_routes
from streams.api.access.actor import actor_of, log_change
from streams.api.alert_routes import (
    ResendBody,
    ResendCounts,
    ResentAlert,
    RoutesAnswer,
    RouteTestBody,
    RouteTestResult,
    SentTest,
    plan_for,
    show_route,
    sink_kind,
)
from streams.api.problems import raise_problem
from streams.api.query_parameters import RouteQuery, read_query
from streams.api.read_model import ReadModel
from streams.api.request_body import read_body
from streams.api.responses import json_response

__all__ = ["AlertingHandlers"]

MOST_RESULTS = 1000


class AlertingHandlers:
    """Answers about routes and sinks, of the `halt400.toml` and with the secrets that this process has."""

    def __init__(self, read_model: ReadModel) -> None:
        self._model = read_model
        self._lock = asyncio.Lock()

    async def alert_routes(self, request: web.Request) -> web.Response:
        """Answer with the routes, and with what a quarantine of a target would be sent to."""
        query = read_query(request, RouteQuery)
        config, file = self.config()
        planned, owner = None, None
        if query.target is not UNSET:
            planned, owner = plan_for(config, query.target, None if query.job_id is UNSET else query.job_id)
        return json_response(
            RoutesAnswer(
                file=file,
                routes=[show_route(config, route) for route in config.routing.routes],
                target=None if query.target is UNSET else query.target,
                planned=planned,
                owner=owner,
            )
        )

    async def test_routes(self, request: web.Request) -> web.Response:
        """Send a message through the routes, marked as a test."""
        return json_response(await self.test_routes_as(request, await read_body(request, RouteTestBody)))

    async def test_routes_as(self, request: web.Request, body: RouteTestBody) -> RouteTestResult:
        """Send tests on behalf of who sends the request."""
        (config, _), by = self.config(), actor_of(request, body.actor)
        known = {route.name: route for route in config.routing.routes}
        for name in body.routes:
            if name not in known:
                raise_problem(
                    404, "unknown_route", f"There is no route {name}.", f"There are {', '.join(sorted(known))}."
                )
        chosen = [route for name, route in known.items() if not body.routes or name in body.routes]
        log_change(request, f"tests the routes {', '.join(route.name for route in chosen)}", by, body.reason)
        async with self._lock:
            try:
                async with config.open_sinks(os.environ) as sinks:
                    found = await check_routes(chosen, sinks, self._model.clock_ms(), keep_open=body.keep_open)
            except SettingError as error:
                _raise_unusable(error)
        accepted = sum(one.result.outcome == "accepted" for one in found)
        return RouteTestResult(
            by=by,
            accepted=accepted,
            failed=len(found) - accepted,
            messages=[
                SentTest(
                    route=one.route,
                    sink=one.sink,
                    kind=sink_kind(config, one.sink),
                    action=one.action,
                    outcome=one.result.outcome,
                    detail=one.result.detail,
                )
                for one in found
            ],
        )

    async def resend(self, request: web.Request) -> web.Response:
        """Send again what is on alerts.dlq."""
        return json_response(await self.resend_as(request, await read_body(request, ResendBody)))

    async def resend_as(self, request: web.Request, body: ResendBody) -> ResendCounts:
        """Send again on behalf of who sends the request; the second of two calls sees what the first has done."""
        (config, _), by, model = self.config(), actor_of(request, body.actor), self._model
        if not body.dry_run:
            log_change(request, "sends again what no sink took", by, body.reason)
        async with self._lock:
            try:
                async with config.open_sinks(os.environ) as sinks:
                    found = await resend(model.kafka, model.partitions, sinks, dry_run=body.dry_run, force=body.force)
            except SettingError as error:
                _raise_unusable(error)
        counts = Counter(one.result for one in found)
        return ResendCounts(
            by=by,
            sent=counts["sent"],
            over=counts["over"],
            kept=counts["kept"],
            unreadable=counts["unreadable"],
            waiting=counts["waiting"],
            alerts=[
                ResentAlert(
                    id=f"{one.partition}-{one.offset}",
                    sink=one.sink,
                    title=one.title,
                    result=one.result,
                    detail=one.detail,
                )
                for one in found[:MOST_RESULTS]
            ],
        )

    def config(self) -> tuple[AlertsConfig, str]:
        """Return the section `[alerts]` as it is, and its file; end the handler where there is none."""
        _, file = self._model.policies()
        try:
            if file is None or not has_alerts(Path(file)):
                reason = "there is no halt400.toml here" if file is None else f"{file} has no section [alerts]"
                raise_problem(
                    409,
                    "no_alerts",
                    f"No alerts are sent: {reason}.",
                    "docs/alerts.md has what to write; workers and `halt400 api` read the same file.",
                )
            return load_alerts(Path(file)), file
        except SettingError as error:
            _raise_unusable(error)


def _raise_unusable(error: SettingError) -> NoReturn:
    raise_problem(409, "alerts_unusable", error.message, error.mend)
