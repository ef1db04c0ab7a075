"""Answers what is not HTTP, and heads that are too long, with a problem document and one line of the log at DEBUG.

aiohttp answers them before any handler or middleware, in plain text and with a traceback in the log.
"""

import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from streams.api.models import Problem
from streams.api.problems import TITLES, problem_response

__all__ = ["HEADERS", "ProblemRunner"]

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "halt400"}
"""Headers of every response."""
LONGEST_REASON = 200


class ProblemRunner(web.AppRunner):
    """Runs an application of which every answer is ours; works with aiohttp 3.14."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _ProblemServer(made.request_handler, request_factory=made.request_factory, **made._kwargs)


class _ProblemServer(web.Server):
    def __call__(self) -> RequestHandler:
        return _ProblemProtocol(self, loop=self._loop, **self._kwargs)


class _ProblemProtocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer with a problem, and close the connection."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("A request from %s failed.", request.remote, exc_info=exc)
        else:
            log.debug("A request from %s was refused: %r", request.remote, message)
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun already.")
        response = problem_response(_problem(status, exc, message), HEADERS)
        response.force_close()
        return response


def _problem(status: int, exc: BaseException | None, message: str | None) -> Problem:
    if isinstance(exc, LineTooLong):
        fields: dict[str, Any] = {
            "status": 431,
            "code": "head_too_large",
            "detail": "The request line or a header has more than 8190 bytes.",
            "mend": "Ask for less in one request; a target has at most 255 characters.",
        }
    elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
        text = " ".join((message or "").split())[:LONGEST_REASON]
        reason = f" ({text})" if text and text.isascii() and text.isprintable() else ""
        fields = {
            "status": status,
            "code": "bad_request_line",
            "detail": f"What was sent is not HTTP{reason}.",
            "mend": "Send HTTP/1.1, without TLS unless a proxy adds it.",
        }
    else:
        fields = {
            "status": 500,
            "code": "internal_error",
            "detail": "The answer could not be made.",
            "mend": "The log of this process says why.",
        }
    return Problem(type=f"urn:halt400:problem:{fields['code']}", title=TITLES[fields["code"]], **fields)
