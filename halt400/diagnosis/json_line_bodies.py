"""Bodies of one JSON value a line: NDJSON, JSON Lines, and the bulk requests of Elasticsearch and OpenSearch.

Sources: https://github.com/ndjson/ndjson-spec, https://jsonlines.org/,
https://www.elastic.co/guide/en/elasticsearch/reference/8.15/docs-bulk.html (the last line ends with a newline, too).
"""

from __future__ import annotations

import json
import re

import orjson

from halt400.diagnosis.edits import with_body
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_body
from halt400.diagnosis.json_mends import mended_json
from halt400.diagnosis.json_scanner import scan
from halt400.diagnosis.malformed_json import REMEDIES
from halt400.records import Cause, Request

__all__ = ["find"]

_TYPES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
     "application/x-jsonlines", "application/json-lines", "application/x-json-stream", "application/stream+json",
     "application/vnd.elasticsearch+x-ndjson"}
)  # fmt: skip
_BULK = re.compile(r"/_(bulk|msearch)(?:/template)?/?(?:[?#]|$)")
_ACTIONS = ("index", "create", "update", "delete")
_JSON_TYPES = frozenset({"", "application/json", "application/vnd.elasticsearch+json"})
_MEND = "Write each value on one line (json.dumps without indent) and end every line with \\n."


def find(exchange: Exchange) -> list[CauseFinding]:
    r"""Report the first line that is not JSON, and what breaks the order of a bulk request.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/x-ndjson")]
    >>> request = Request(method="POST", url="https://a.example/log", headers=headers, body='{"a": 1}\n{"a": 2,}\n')
    >>> [(found.line, found.column) for found in find(Exchange(request))[0].evidence]
    [(2, 8)]
    """
    essence = exchange.media_type.essence
    if essence not in _TYPES and not (essence in _JSON_TYPES and "/_" in exchange.url and _BULK.search(exchange.url)):
        return []
    body = exchange.parseable_body
    if not body:
        return []
    bulk = _BULK.search(exchange.url[:4096])
    broken = _broken_line(exchange, body)
    if broken is not None:
        return [broken]
    found = _bulk_order(exchange, body) if bulk is not None and bulk[1] == "bulk" else None
    if found is None and bulk is not None and not body.endswith(b"\n"):
        detail = "The last line of a bulk request ends with a newline, too; this body ends without one."
        found = _at(exchange, body, len(body), detail, "Add a newline (\\n) at the end of the body.", length=0)
        found.mend = lambda: with_body(exchange.request, body + b"\n")
    return [found] if found is not None else []


def _at(
    exchange: Exchange,
    body: bytes,
    offset: int,
    detail: str,
    remedy: str,
    *,
    length: int = 1,
    cause: Cause = "malformed_json",
    name: str | None = None,
) -> CauseFinding:
    evidence = at_body(body, offset, detail, length=length, name=name)
    return CauseFinding(cause=cause, confidence=0.96, remedy=remedy, evidence=[evidence])


def _is_one_value(exchange: Exchange, body: bytes) -> bool:
    """Whether the whole body is one value on one line, which was parsed before."""
    return exchange.json is not None and b"\n" not in body.strip() and body[:1] in b"{["


def _broken_line(exchange: Exchange, body: bytes) -> CauseFinding | None:
    if _is_one_value(exchange, body):
        return None
    start = 0
    for number, line in enumerate(body.split(b"\n"), 1):
        text = line.rstrip(b"\r")
        if text.strip():
            try:
                orjson.loads(text)
            except ValueError:
                return _of_line(exchange, body, start, text, number)
        start += len(line) + 1
    return None


def _of_array(exchange: Exchange, body: bytes, items: list[object]) -> CauseFinding:
    detail = "Line 1: a JSON array; a body of lines has one value on each line, and no brackets or commas around them."
    found = _at(exchange, body, 0, detail, "Send the elements of the array, one on each line.")
    found.mend = lambda: with_body(exchange.request, b"".join(orjson.dumps(item) + b"\n" for item in items))
    return found


def _of_line(exchange: Exchange, body: bytes, start: int, line: bytes, number: int) -> CauseFinding:
    if isinstance(exchange.json, list):
        return _of_array(exchange, body, exchange.json)
    values = _values(body)
    if values is not None:
        detail = f"Line {number}: a value goes on in the next line; each value must be on one line."
        found = _at(exchange, body, start + len(line), detail, _MEND, length=0)
        found.mend = lambda: with_body(exchange.request, b"".join(orjson.dumps(value) + b"\n" for value in values))
        return found
    defect = scan(line)
    offset, detail = (defect.offset, defect.detail) if defect is not None else (0, "Not JSON.")
    length = defect.length if defect is not None else 1
    mend = REMEDIES.get(defect.kind) if defect is not None else None
    remedy = f"In line {number}: {mend}" if mend is not None else _MEND
    found = _at(exchange, body, start + offset, f"Line {number}: {detail}", remedy, length=length)
    found.mend = lambda: _mended(exchange, body)
    return found


def _values(body: bytes) -> list[object] | None:
    """The values of a text that is a sequence of JSON values, on however many lines; None where it is not."""
    if len(body) > 262_144 or body.count(b"\n") > 20_000:
        return None
    text = body.decode("utf-8", "replace")
    decoder, values, at = json.JSONDecoder(), [], 0
    try:
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            value, at = decoder.raw_decode(text, at)
            values.append(value)
    except (ValueError, RecursionError):
        return None
    return values


def _mended(exchange: Exchange, body: bytes) -> Request | None:
    lines = []
    for line in body.split(b"\n"):
        mended = mended_json(line.rstrip(b"\r")) if line.strip() else b""
        if mended is None:
            return None
        lines.append(mended)
    return with_body(exchange.request, b"\n".join(lines))


def _bulk_order(exchange: Exchange, body: bytes) -> CauseFinding | None:
    """What is wrong in the sequence of actions and sources; every line is JSON."""
    start, wants_source, action_at = 0, False, 0
    whole = exchange.json if _is_one_value(exchange, body) else None
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            if wants_source:
                wants_source = False
            else:
                action = orjson.loads(line) if whole is None else whole
                name = next(iter(action), None) if isinstance(action, dict) else None
                if name not in _ACTIONS:
                    return _unknown_action(exchange, body, start, name, number)
                wants_source, action_at = name != "delete", start
        start += len(line) + 1
    if not wants_source:
        return None
    detail = "The last action has no source line after it: index, create and update are each followed by one."
    return _at(exchange, body, action_at, detail, "Add the line of the document after its action.")


def _unknown_action(exchange: Exchange, body: bytes, start: int, name: object, number: int) -> CauseFinding:
    listed = ", ".join(_ACTIONS[:-1]) + f" or {_ACTIONS[-1]}"
    shown = repr(name) if isinstance(name, str) else "a value that is no object"
    detail = f"Line {number}: {shown} where an action must be: {listed}."
    remedy = f"Begin the line with one of the actions {listed}, followed by the line of its document."
    found = _at(exchange, body, start, detail, remedy, cause="schema_violation", name=str(name)[:80])
    found.confidence = 0.9
    return found
