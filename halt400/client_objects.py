"""Requests and responses of HTTP clients as records, by their attributes: httpx, requests, aiohttp, and our own.

No client is imported. What a client does not keep can be given: aiohttp keeps no body of a request.
"""

from __future__ import annotations

from typing import Any

from halt400.diagnosis import Contract, Profile
from halt400.diagnosis import diagnose as diagnose_records
from halt400.errors import InputError
from halt400.exchanges.recorded import text_or_base64
from halt400.records import Diagnosis, Header, Request, Response

__all__ = ["diagnose", "request_record", "response_record"]

_HOW = "Give an object of httpx, requests or aiohttp, or a halt400.records.Request."


def diagnose(
    request: Any,
    response: Any = None,
    *,
    body: bytes | str | None = None,
    profile: Profile | None = None,
    contract: Contract | None = None,
) -> Diagnosis:
    """Say what is wrong with a request, from the objects of an HTTP client.

    Parameters
    ----------
    request
        `httpx.Request`, `requests.PreparedRequest` or `requests.Request`, aiohttp's `RequestInfo`, or
        `halt400.records.Request`; None takes that of the response.
    response
        `httpx.Response`, `requests.Response`, aiohttp's `ClientResponse` (with its body read), or
        `halt400.records.Response`; None where the request was not sent.
    body
        The body of the request, where the object does not keep it (aiohttp).
    profile
        What good requests to this target look like.
    contract
        The OpenAPI document of the target, as `halt400.diagnosis.Contract`.

    Raises
    ------
    InputError
        When an object is of no known kind.

    Examples
    --------
    >>> request = Request(method="POST", url="https://a.example/", headers=[("Content-Type", "application/json")])
    >>> diagnose(request, body="{'id': 7}").cause
    'malformed_json'
    """
    if request is None:
        request = getattr(response, "request", None) or getattr(response, "request_info", None)
    record = request_record(request, body)
    answer = response_record(response) if response is not None else None
    return diagnose_records(record, answer, profile, contract=contract)


def request_record(request: Any, body: bytes | str | None = None) -> Request:
    """A request of a client as a record."""
    if isinstance(request, Request):
        if body is None:
            return request
        text, encoded = _body(body)
        return Request(method=request.method, url=request.url, headers=request.headers, body=text, body_base64=encoded)
    if hasattr(request, "prepare") and not hasattr(request, "prepare_method"):
        request = request.prepare()
    method, url = getattr(request, "method", None), getattr(request, "url", None)
    if not isinstance(method, str) or url is None:
        raise InputError(f"{type(request).__name__} is no request.", _HOW)
    if body is None:
        body = _content(request, "content", "body")
    text, encoded = _body(body)
    return Request(method=method, url=str(url), headers=_headers(request), body=text, body_base64=encoded)


def response_record(response: Any) -> Response:
    """A response of a client as a record; its body where the client has read it."""
    if isinstance(response, Response):
        return response
    status = getattr(response, "status_code", None)
    status = getattr(response, "status", None) if status is None else status
    if not isinstance(status, int):
        raise InputError(f"{type(response).__name__} is no response.", _HOW)
    text, encoded = _body(_content(response, "content", "_body"))
    return Response(status=int(status), headers=_headers(response), body=text, body_base64=encoded)


def _content(message: Any, *names: str) -> bytes | str | None:
    """The body, where the client has it in memory."""
    for name in names:
        try:
            found = getattr(message, name, None)
        except Exception:  # noqa: S112 - httpx raises RequestNotRead of its own for a stream
            continue
        if isinstance(found, bytes | str):
            return found
        if isinstance(found, bytearray):
            return bytes(found)
    return None


def _body(body: bytes | str | None) -> tuple[str | None, str | None]:
    if body is None or isinstance(body, str):
        return body, None
    return text_or_base64(body)


def _headers(message: Any) -> list[Header]:
    headers = getattr(message, "headers", None)
    raw = getattr(headers, "raw", None)
    if isinstance(raw, list):  # httpx keeps the case and the order as they are sent
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    items = getattr(headers, "items", None)
    return [(_text(name), _text(value)) for name, value in items()] if callable(items) else []


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
