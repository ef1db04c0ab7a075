"""What an operator does about alerts: a test of the routes, and sending again what no sink took."""

from aiohttp import web

from streams.api.alert_routes import ResendBody, RouteTestBody
from streams.api.app import ALERTING
from streams.api.problems import raise_problem
from streams.page.context import PageContext

__all__ = ["AlertingPageHandlers"]


class AlertingPageHandlers:
    """Takes the forms; each answers with what came of it."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [web.post("/alerts/tests", self.test_routes), web.post("/alerts/resend", self.resend)]

    async def test_routes(self, request: web.Request) -> web.Response:
        """Send a test through one route or all, and answer with what each sink said."""
        form = await request.post()
        route = str(form.get("route", ""))[:64]
        body = RouteTestBody(reason=_reason(form.get("reason")), routes=[route] if route else [])
        found = await request.app[ALERTING].test_routes_as(request, body)
        return self._context.page(request, "alert_tests.html", found=found)

    async def resend(self, request: web.Request) -> web.Response:
        """Send again what is on alerts.dlq, and answer with what came of each."""
        self._context.require_data()
        form = await request.post()
        body = ResendBody(reason=_reason(form.get("reason")), force=form.get("force") == "true")
        found = await request.app[ALERTING].resend_as(request, body)
        return self._context.page(request, "resent.html", found=found)


def _reason(given: object) -> str:
    reason = given[:1000] if isinstance(given, str) else ""
    if not reason.strip():
        raise_problem(400, "bad_body", "The form has no reason.", "Say why; it is recorded.", parameter="reason")
    return reason
