"""Calls of fetch(), as "Copy as fetch" of Chrome, Edge and Firefox writes them (https://fetch.spec.whatwg.org/). Pure.

The call is read, never run: its address is a string, its options are JSON, as browsers write them.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from halt400.errors import InputError
from halt400.exchanges.recorded import RecordedExchange
from halt400.records import Header, Request

__all__ = ["looks_like_fetch", "read_fetch"]

_CALL = re.compile(r"\s{0,64}(?:(?:const|let|var)\s+\w+\s*=\s*)?(?:await\s+)?(?:window\.)?fetch\(\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"|\'(?:[^\'\\]|\\.)*+\'', re.DOTALL)
_MEND = 'Copy it again with "Copy as fetch"; options that are not JSON cannot be read.'
_FORBIDDEN = frozenset({"content-length", "host"})


def looks_like_fetch(data: bytes) -> bool:
    """Whether the text begins with a call of fetch()."""
    return _CALL.match(data[:4096].decode("utf-8", "replace")) is not None


def read_fetch(data: bytes) -> list[RecordedExchange]:
    r"""Read the calls, one after the other.

    Raises
    ------
    InputError
        When a call is not as browsers write it.

    Examples
    --------
    >>> call = b'fetch("https://a.example/x", {"headers": {"x-a": "1"}, "body": "{}", "method": "POST"});'
    >>> [(found.request.method, found.request.body) for found in read_fetch(call)]
    [('POST', '{}')]
    """
    text = data.decode("utf-8", "replace")
    found: list[RecordedExchange] = []
    at = 0
    while True:
        call = _CALL.match(text, at) or re.compile(r"[;\s]*" + _CALL.pattern).match(text, at)
        if call is None:
            break
        number = len(found) + 1
        address = _STRING.match(text, call.end())
        if address is None:
            raise InputError(f"call {number}: fetch() has no address in quotes.", _MEND)
        options, at = _options(text, address.end(), number)
        found.append(RecordedExchange(where=f"call {number}", number=number, request=_request(address[0], options)))
    if text[at:].strip(" \t\r\n;"):
        raise InputError(f"call {len(found) + 1} is no call of fetch().", _MEND)
    return found


def _options(text: str, at: int, number: int) -> tuple[dict[str, Any], int]:
    """The options after the address, and where the call ends."""
    comma = re.compile(r"\s*(,?)\s*").match(text, at)
    at = comma.end() if comma is not None else at
    if text[at : at + 1] != "{":
        end = text.find(")", at)
        return {}, len(text) if end < 0 else end + 1
    depth, start = 0, at
    for piece in re.compile(r'"(?:[^"\\]|\\.)*+"|[{}]', re.DOTALL).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(piece[0], 0)
        if depth == 0:
            try:
                options = orjson.loads(text[start : piece.end()])
            except orjson.JSONDecodeError as error:
                raise InputError(f"call {number}: the options of fetch() are no JSON ({error}).", _MEND) from None
            end = text.find(")", piece.end())
            return options, len(text) if end < 0 else end + 1
    raise InputError(f"call {number}: the options of fetch() do not end.", "Copy the whole call.")


def _request(address: str, options: dict[str, Any]) -> Request:
    url = str(orjson.loads(address)) if address[0] == '"' else address[1:-1].replace("\\'", "'")
    given = options.get("headers")
    headers: list[Header] = [(name, str(value)) for name, value in given.items()] if isinstance(given, dict) else []
    headers = [pair for pair in headers if pair[0].lower() not in _FORBIDDEN]
    referrer = options.get("referrer")
    if isinstance(referrer, str) and referrer and "referer" not in {name.lower() for name, _ in headers}:
        headers.append(("Referer", referrer))
    body = options.get("body")
    if isinstance(body, str) and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    method = str(options.get("method") or "GET")
    return Request(method=method, url=url, headers=headers, body=body if isinstance(body, str) else None)
