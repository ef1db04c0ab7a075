"""What an operator does: forms that release, extend, halt, probe and acknowledge, and signing in and out."""

from aiohttp import web

from streams.api.access.middleware import allows, identity_of
from streams.api.access.sessions import COOKIE
from streams.api.app import OPERATIONS, SESSIONS
from streams.api.operation_models import AcknowledgementBody, OperationBody
from streams.api.problems import raise_problem
from streams.operations.request import RESULTS
from streams.page.context import PageContext

__all__ = ["OperationPageHandlers"]

LONGEST_HOLD_MIN = 525_600
WAIT_S = 15.0


class OperationPageHandlers:
    """Takes the forms; each answers with a redirect to where it was sent from."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self.routes = [
            web.post("/operations", self.operate),
            web.post("/acknowledgements", self.acknowledge),
            web.get("/sign-in", self.sign_in_form),
            web.post("/sign-in", self.sign_in),
            web.post("/sign-out", self.sign_out),
        ]

    async def operate(self, request: web.Request) -> web.Response:
        """Carry out an operation."""
        self._context.require_data()
        form = await _fields(request)
        kind = next((kind for kind in RESULTS if kind == form.get("kind")), None)
        if kind is None:
            raise_problem(400, "bad_body", "The form names no operation.", f"Use {', '.join(RESULTS)}.")
        takes_hold = kind in ("extend", "quarantine")
        body = OperationBody(
            kind=kind,
            scope=form.get("scope", ""),
            reason=form.get("reason", ""),
            hold_s=_hold_s(form.get("hold_min", "")) if takes_hold else None,
            timeout_s=WAIT_S,
        )
        await request.app[OPERATIONS].carry_out(request, body)
        return _back(form.get("back"))

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Record that someone works on an incident."""
        self._context.require_data()
        form = await _fields(request)
        body = AcknowledgementBody(incident=form.get("incident", ""), reason=form.get("reason", "")[:1000] or None)
        await request.app[OPERATIONS].acknowledge_as(request, body)
        return _back(form.get("back"))

    @allows("everyone")
    async def sign_in_form(self, request: web.Request) -> web.Response:
        """Answer with the form for a token."""
        return self._context.page(request, "sign_in.html", back=_local(request.query.get("back")), stale_since=None)

    @allows("everyone")
    async def sign_in(self, request: web.Request) -> web.Response:
        """Open a session with a token."""
        form, sessions = await _fields(request), request.app[SESSIONS]
        token = sessions.sign_in(request, form.get("token", ""))
        response = _back(form.get("back"))
        sessions.set_cookie(request, response, token)
        return response

    @allows("read")
    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        request.app[SESSIONS].end(request, identity_of(request))
        response = _back("/sign-in")
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
        return response


async def _fields(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _hold_s(text: str) -> int:
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 0 < minutes <= LONGEST_HOLD_MIN:
        raise_problem(
            400, "bad_body", f"Minutes: {text[:20]!r}.", f"Give 1 to {LONGEST_HOLD_MIN}.", parameter="hold_min"
        )
    return minutes * 60


def _local(address: str | None) -> str:
    """An address on this server, never another's."""
    is_local = address is not None and address.startswith("/") and not address.startswith(("//", "/\\"))
    printable = is_local and address is not None and address.isprintable() and len(address) < 4000
    return address if printable and address is not None else "/"


def _back(address: str | None) -> web.Response:
    return web.Response(status=303, headers={"Location": _local(address)})
