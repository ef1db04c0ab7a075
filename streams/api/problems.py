"""Errors of the API as RFC 9457 problem documents: their codes, how a handler raises one, how it is answered."""

import logging
from typing import NoReturn

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from halt400.errors import BrokerUnavailable, Halt400Error
from streams.api.models import Problem

__all__ = ["PROBLEM_JSON", "TITLES", "ProblemError", "problem_middleware", "problem_response", "raise_problem"]

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

TITLES = {
    "bad_parameter": "A parameter is wrong",
    "window_not_kept": "The window reaches back too far",
    "bad_body": "The body is wrong",
    "bad_header": "A header is wrong",
    "not_json": "The body must be JSON",
    "body_too_large": "The body is too large",
    "head_too_large": "The address or a header is too long",
    "bad_request_line": "This is not HTTP",
    "key_reused": "An Idempotency-Key came with another body",
    "not_carried_out": "The operation was not carried out",
    "unauthorized": "The token is missing or wrong",
    "role_missing": "The role is missing",
    "cross_site": "Another site's page sends this",
    "host_refused": "This host is not served here",
    "too_many_requests": "Too many requests",
    "too_many_listeners": "Too many listeners",
    "unknown_path": "There is nothing at this address",
    "unknown_target": "No such target",
    "unknown_quarantine": "No such quarantine",
    "unknown_scope": "No such scope",
    "unknown_incident": "No such incident",
    "unknown_route": "No such route",
    "no_alerts": "Nobody is alerted",
    "alerts_unusable": "The alerts of halt400.toml cannot be used",
    "unknown_record": "No such record",
    "broker_unavailable": "Kafka does not answer",
    "method_not_allowed": "This method is not allowed here",
    "request_refused": "The request cannot be served",
    "busy": "This process is busy with another of these",
    "not_caught_up": "This process has not read its topics to the end yet",
    "invalid_record": "A record cannot be read",
    "internal_error": "The server failed",
}
"""Every code that a problem can have, with its title."""


class ProblemError(Exception):
    """Ends a handler with a problem; `headers` go into the response."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}


def raise_problem(
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
    """Build the HTTP response of a problem."""
    return web.Response(
        body=orjson.dumps(msgspec.to_builtins(problem)),
        status=problem.status,
        content_type=PROBLEM_JSON,
        headers=headers,
    )


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer everything that a handler raises with a problem document."""
    try:
        try:
            return await handler(request)
        except web.HTTPException as error:
            _raise_as_problem(error, request)
        except BrokerUnavailable as error:
            raise_problem(503, "broker_unavailable", error.message, error.mend, headers={"Retry-After": "5"})
        except Halt400Error as error:
            log.error("%s %s: %s", request.method, request.path, error)
            code = error.code if error.code in TITLES else "internal_error"
            raise_problem(500, code, error.message, error.mend)
        except ProblemError:
            raise
        except Exception:
            log.exception("%s %s failed.", request.method, request.path)
            raise_problem(500, "internal_error", "The answer could not be made.", "The log of this process says why.")
    except ProblemError as error:
        error.problem.instance = request.rel_url.raw_path
        return problem_response(error.problem, error.headers)


def _raise_as_problem(error: web.HTTPException, request: web.Request) -> NoReturn:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        raise_problem(
            405,
            "method_not_allowed",
            f"{request.method} is not allowed at {request.path}.",
            f"Use {' or '.join(allowed)}.",
            headers={"Allow": ", ".join(allowed)},
            allowed=allowed,
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        raise_problem(413, "body_too_large", f"{error.text or error.reason}.", "Send less.")
    if error.status == 404:
        raise_problem(404, "unknown_path", f"There is nothing at {request.path}.", "/v1 lists the addresses.")
    raise_problem(error.status, "request_refused", f"{error.reason}.")
