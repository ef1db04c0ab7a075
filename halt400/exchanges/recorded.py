"""One recorded exchange and the lenient reading of its parts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from msgspec import Struct

from halt400.errors import InputError
from halt400.records import Header, Request, Response

__all__ = ["Recorded", "headers_of", "request_of", "response_of", "text_or_base64"]


class Recorded(Struct, kw_only=True):
    """`label` says where in the input it stood; `as_sent` that its headers are all that was on the wire."""

    label: str
    request: Request
    response: Response | None = None
    as_sent: bool = False


def text_or_base64(body: bytes) -> tuple[str | None, str | None]:
    """A body as the record's `body` where it is UTF-8, else as its `body_base64`."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, base64.b64encode(body).decode("ascii")


def headers_of(value: Any, label: str) -> list[Header]:
    """Headers from a mapping, a list of pairs, or a list of ``{"name": ..., "value": ...}``; order is kept.

    Examples
    --------
    >>> headers_of({"Accept": ["a", "b"]}, "line 1")
    [('Accept', 'a'), ('Accept', 'b')]
    """
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "name" in item:
                pairs.append((item["name"], item.get("value")))
            elif isinstance(item, list) and len(item) == 2:
                pairs.append((item[0], item[1]))
            else:
                raise InputError(
                    f"{label}: a header is neither a pair nor a name with a value.", "Correct the headers."
                )
    elif value is not None:
        raise InputError(f"{label}: the headers are neither an object nor a list.", "Correct the headers.")
    headers: list[Header] = []
    for name, content in pairs:
        contents = content if isinstance(content, list) else [content]
        headers.extend((str(name), "" if one is None else str(one)) for one in contents)
    return headers


def _body(fields: dict[str, Any], prefix: str, label: str) -> tuple[str | None, str | None]:
    value = fields.get(f"{prefix}body")
    encoded = fields.get(f"{prefix}body_base64")
    if isinstance(encoded, str):
        try:
            base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise InputError(f"{label}: {prefix}body_base64 is no base64.", "Correct the line.") from None
        return None, encoded
    if value is None or isinstance(value, str):
        return value, None
    # Some recorders store the parsed JSON instead of the text.
    return json.dumps(value), None


def request_of(fields: dict[str, Any], label: str, prefix: str = "") -> Request:
    """A request from the fields of `recorded_api` or of our own records.

    Raises
    ------
    InputError
        When there is no method or no URL.
    """
    url, method = fields.get("url"), fields.get("method", "GET")
    if not isinstance(url, str) or not url:
        raise InputError(f"{label}: there is no url.", "Each exchange needs at least method and url.")
    if not isinstance(method, str) or not method:
        raise InputError(f"{label}: the method is {method!r}.", "Each exchange needs at least method and url.")
    names = f"{prefix}headers" if f"{prefix}headers" in fields else "headers"
    body, encoded = _body(
        fields, prefix if f"{prefix}body" in fields or f"{prefix}body_base64" in fields else "", label
    )
    size = fields.get("body_size")
    return Request(
        method=method,
        url=url,
        http_version=str(fields.get("http_version") or "1.1"),
        headers=headers_of(fields.get(names), label),
        body=body,
        body_base64=encoded,
        body_size=size if isinstance(size, int) and size >= 0 else None,
        body_truncated=fields.get("body_truncated") is True,
    )


def response_of(fields: dict[str, Any], label: str, prefix: str = "") -> Response | None:
    """A response, None where there is no status."""
    status = fields.get("status")
    if status is None:
        return None
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        if status == 0:
            return None
        raise InputError(f"{label}: the status is {status!r}.", "A status is a number from 100 to 599.")
    body, encoded = _body(fields, prefix, label)
    return Response(
        status=status, headers=headers_of(fields.get(f"{prefix}headers"), label), body=body, body_base64=encoded
    )
