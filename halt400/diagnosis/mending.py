"""Mend a request as far as that is mechanical, one finding after the other; nothing is sent.

The law of it: the mended request passes the diagnosis that found the defect, and a mended request is not changed again.
"""

from __future__ import annotations

from msgspec import Struct

from halt400.diagnosis.engine import NAMED, find_defect, findings
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.mechanical_mends import MENDS
from halt400.diagnosis.openapi_contract import Contract
from halt400.diagnosis.profile import Profile
from halt400.records import Diagnosis, Request, Response

__all__ = ["Mended", "mend"]

_MOST = 20


class Mended(Struct, kw_only=True):
    """A request after its mend.

    Attributes
    ----------
    changes
        What was mended, one line each, in order.
    left
        The diagnosis of the mended request, not sent yet; None where nothing is wrong with it.
    """

    request: Request
    changes: list[str]
    left: Diagnosis | None


def mend(
    request: Request,
    response: Response | None = None,
    profile: Profile | None = None,
    *,
    as_sent: bool = False,
    contract: Contract | None = None,
) -> Mended:
    """Mend what is mechanical: a comma, an escape, a name or a limit that the server gives, a newline, a header.

    Parameters
    ----------
    request, response, profile, as_sent, contract
        As for `diagnose`.

    Examples
    --------
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/orders", headers=headers, body="{'id': 7,}")
    >>> mended = mend(request, Response(status=400))
    >>> mended.request.body, mended.changes, mended.left
    ('{"id": 7}', ['malformed_json: A key is in single quotes; JSON knows only double quotes.'], None)
    """
    changes: list[str] = []
    seen = [request]
    for _ in range(_MOST):
        found = _step(request, response, profile, contract, as_sent, seen)
        if found is None:
            break
        request, change = found
        seen.append(request)
        changes.append(change)
    left = find_defect(request, None, profile, as_sent=as_sent, contract=contract)
    return Mended(request=request, changes=changes, left=left)


def _step(
    request: Request,
    response: Response | None,
    profile: Profile | None,
    contract: Contract | None,
    as_sent: bool,
    seen: list[Request],
) -> tuple[Request, str] | None:
    """The request with the likeliest finding mended that can be."""
    exchange = Exchange(request, response, as_sent=as_sent)
    for finding in findings(exchange, profile, contract):
        if finding.warning or finding.confidence < NAMED:
            continue
        mended = _mended(exchange, finding)
        if mended is not None and mended not in seen:
            return mended, f"{finding.cause}: {finding.detail}"
    return None


def _mended(exchange: Exchange, finding: CauseFinding) -> Request | None:
    if exchange.request.body_truncated:
        return None
    if finding.mend is not None:
        return finding.mend()
    mends = MENDS.get(finding.cause)
    if mends is None or finding.blame != "request":
        return None
    mended = mends(exchange)
    # A finding of a body of lines, a query or a form has its own mend; these are for the whole request.
    return mended if mended != exchange.request else None
