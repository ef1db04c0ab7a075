"""What the proxy answers in place of the target: a problem (RFC 9457) that says why, and how to mend it."""

import orjson
from mitmproxy.http import Response

from halt400.errors import BrokerUnavailable, Halt400Error, JobQuarantined

__all__ = ["refusal"]


def refusal(error: Halt400Error, method: str, status: int) -> Response:
    """The answer to a request that is not sent.

    ``Proxy-Status`` (RFC 9209) tells that it is the proxy's own.
    """
    if isinstance(error, BrokerUnavailable):
        status = 503
    problem = {
        "type": f"urn:halt400:problem:{error.code}",
        "title": "The request was not sent",
        "status": status,
        "detail": str(error),
        "mend": error.mend,
    }
    if isinstance(error, JobQuarantined) and error.command is not None:
        problem |= {"scope_id": error.command.scope.id, "command_id": error.command.command_id}
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Proxy-Status": f"halt400; error=http_request_denied; details={_quoted(error.message)}",
    }
    return Response.make(status, b"" if method == "HEAD" else orjson.dumps(problem), headers)


def _quoted(text: str) -> str:
    """A string of a structured field (RFC 9651 section 3.3.3): printable ASCII."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text[:500])
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
