"""The handlers of sessions: the page signs in with a token and gets a cookie that scripts cannot read."""

import logging

from aiohttp import web

from streams.alerts.text import one_line
from streams.api.access.access import Access
from streams.api.access.identity import Identity
from streams.api.access.middleware import allows, identity_of
from streams.api.access.sessions import COOKIE, SESSION_S
from streams.api.access.tokens import NamedToken
from streams.api.operation_models import LoginBody, SessionAnswer
from streams.api.problems import raise_problem
from streams.api.request_body import read_body
from streams.api.responses import json_response

__all__ = ["SessionHandlers"]

log = logging.getLogger("halt400.api")


class SessionHandlers:
    """Opens, shows and ends sessions."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def session(self, request: web.Request) -> web.Response:
        """Answer with who sends the request."""
        return _answer(identity_of(request))

    @allows("everyone")
    async def login(self, request: web.Request) -> web.Response:
        """Open a session with a token."""
        body = await read_body(request, LoginBody)
        token = self.sign_in(request, body.token)
        response = json_response(SessionAnswer(name=token.name, role=token.role, via="session"))
        self.set_cookie(request, response, token)
        return response

    @allows("read")
    async def logout(self, request: web.Request) -> web.Response:
        """End the session."""
        identity = identity_of(request)
        self.end(request, identity)
        response = _answer(identity)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
        return response

    def end(self, request: web.Request, identity: Identity) -> None:
        """End the session of who sends a request; the cookie is the caller's to delete."""
        if identity.session_id is not None:
            self._access.sessions.end(identity.session_id)
        log.info("%s signs out (%s, from %s)", one_line(identity.name), identity.via, request.remote)

    def sign_in(self, request: web.Request, token: str) -> NamedToken:
        """Return whose token this is; a wrong one is a problem."""
        found = self._access.recognize(request, token)
        if found is None:
            raise_problem(
                401,
                "unauthorized",
                "There is no such token.",
                "`halt400 api token add` makes one.",
                headers={"WWW-Authenticate": 'Bearer realm="halt400"'},
            )
        log.info("%s signs in (from %s)", found.name, request.remote)
        return found

    def set_cookie(self, request: web.Request, response: web.StreamResponse, token: NamedToken) -> None:
        """Give the client the cookie of a new session."""
        response.set_cookie(
            COOKIE,
            self._access.sessions.open(token),
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self._access.is_secure(request),
        )


def _answer(identity: Identity) -> web.Response:
    return json_response(SessionAnswer(name=identity.name, role=identity.role, via=identity.via))
