"""Errors of the API: RFC 9457 problem documents, one shape for all of them."""

import logging
from typing import NoReturn

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from halt400.errors import Halt400Error
from streams.api.models import Problem

__all__ = ["PROBLEM_JSON", "TITLES", "ProblemError", "answer_problems", "fail", "problem_response"]

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

TITLES = {
    "bad_parameter": "A parameter is wrong",
    "window_not_kept": "The window reaches back too far",
    "unauthorized": "The token is missing or wrong",
    "unknown_path": "There is nothing at this address",
    "unknown_target": "No such target",
    "unknown_quarantine": "No such quarantine",
    "method_not_allowed": "This method is not allowed here",
    "request_refused": "The request cannot be served",
    "not_caught_up": "This process is still reading what was there before it",
    "invalid_record": "A record cannot be read",
    "internal_error": "Something is wrong on our side",
}
"""Every code that a problem can have, with its title."""


class ProblemError(Exception):
    """An answer that is a problem, with HTTP headers that belong to it."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}


def fail(
    status: int,
    code: str,
    detail: str,
    mend: str = "",
    *,
    headers: dict[str, str] | None = None,
    parameter: str | None = None,
    allowed: list[str] | None = None,
    near: list[str] | None = None,
) -> NoReturn:
    """End the handler with a problem."""
    raise ProblemError(
        Problem(
            type=f"urn:halt400:problem:{code}",
            title=TITLES[code],
            status=status,
            detail=detail,
            code=code,
            mend=mend,
            parameter=parameter,
            allowed=allowed,
            near=near,
        ),
        headers,
    )


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """Make the HTTP response of a problem."""
    return web.Response(
        body=orjson.dumps(msgspec.to_builtins(problem)),
        status=problem.status,
        content_type=PROBLEM_JSON,
        headers=headers,
    )


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that a handler raises into a problem document."""
    try:
        try:
            return await handler(request)
        except web.HTTPException as error:
            _fail_as(error, request)
        except Halt400Error as error:
            log.error("%s %s: %s", request.method, request.path, error)
            code = error.code if error.code in TITLES else "internal_error"
            fail(500, code, error.message, error.mend)
        except ProblemError:
            raise
        except Exception:
            log.exception("%s %s failed.", request.method, request.path)
            fail(500, "internal_error", "The answer could not be made.", "The log of this process says why.")
    except ProblemError as error:
        error.problem.instance = request.rel_url.raw_path
        return problem_response(error.problem, error.headers)


def _fail_as(error: web.HTTPException, request: web.Request) -> NoReturn:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        fail(
            405,
            "method_not_allowed",
            f"{request.method} is not allowed at {request.path}.",
            f"Use {' or '.join(allowed)}.",
            headers={"Allow": ", ".join(allowed)},
            allowed=allowed,
        )
    if error.status == 404:
        fail(404, "unknown_path", f"There is nothing at {request.path}.", "/ lists the addresses.")
    fail(error.status, "request_refused", f"{error.reason}.")
