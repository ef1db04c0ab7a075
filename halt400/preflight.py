"""Preflight: diagnose a request before it is sent, in well under 100 microseconds for a typical one.

The SDK's integrations call `preflight` when they are set to ``preflight="warn"`` or ``"block"``. It is the diagnosis
without a response.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from typing import Literal

from halt400.diagnosis import Profile, find_defect
from halt400.errors import PreflightFailed
from halt400.records import Diagnosis, Request

__all__ = ["BLOCK_FROM", "Mode", "preflight"]

Mode = Literal["warn", "block"]
BLOCK_FROM = 0.8
"""Confidence from which mode ``block`` stops a request; a less sure defect is only logged."""

_logger = logging.getLogger("halt400.preflight")


def preflight(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | str | None = None,
    profile: Profile | None = None,
    *,
    http_version: str = "1.1",
    mode: Mode | None = None,
) -> Diagnosis | None:
    """Diagnose a request that is about to be sent.

    Parameters
    ----------
    method, url, headers, body, http_version
        The request; the headers in the order of sending.
    profile
        What good requests to this target look like, if known.
    mode
        ``"warn"`` logs a defect; ``"block"`` raises for a sure one and logs others. Without a mode nothing is logged.

    Returns
    -------
    Diagnosis or None
        None where nothing is wrong.

    Raises
    ------
    PreflightFailed
        In mode ``block``, for a defect with a confidence of at least `BLOCK_FROM`.

    Examples
    --------
    >>> preflight("GET", "https://shop.example/?q=blue%20shoes") is None
    True
    >>> found = preflight("POST", "https://shop.example/", [("Content-Type", "application/json")], b'{"page": 1,}')
    >>> found.cause
    'malformed_json'
    """
    text, encoded = body if isinstance(body, str) else None, None
    if isinstance(body, bytes):
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            encoded = base64.b64encode(body).decode("ascii")
    request = Request(
        method=method, url=url, http_version=http_version, headers=list(headers), body=text, body_base64=encoded
    )
    found = find_defect(request, None, profile)
    if found is None or mode is None:
        return found
    detail = found.evidence[0].detail if found.evidence else found.remedy
    if mode == "block" and found.confidence >= BLOCK_FROM:
        raise PreflightFailed(found)
    _logger.warning("%s: %s %s", found.cause, detail, found.remedy)
    return found
