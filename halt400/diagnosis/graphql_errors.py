"""Places in a GraphQL document that a server names: ``locations``, ``path``, and the names in its messages.

The form of the errors: https://spec.graphql.org/October2021/#sec-Errors.Error-result-format; the messages are those of
graphql-js (https://github.com/graphql/graphql-js/tree/v16.8.1/src/validation/rules), which other servers follow.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.graphql_documents import GraphqlDocument, documents_of, evidence_in
from halt400.diagnosis.locations import evidence_at
from halt400.diagnosis.malformed_graphql import with_document
from halt400.diagnosis.places import json_value_place
from halt400.diagnosis.server_advice import Advice, advice_in
from halt400.diagnosis.text_offsets import line_offset
from halt400.records import Request

__all__ = ["find"]

_QUOTED = re.compile(r"[\"'`]\$?([\w.]{1,80})[\"'`]")
_ARGUMENT = re.compile(r"(?:argument|input field|variable) [\"'`]\$?(\w{1,80})[\"'`]", re.IGNORECASE)
_WORD = re.compile(r"\$?[_A-Za-z]\w*")
_ARGUMENT_VALUE = re.compile(r'\s*:\s*("(?:[^"\\\n]|\\.)*"|-?[\w.]+)')
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|-?[\w.]+')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


_OF_VARIABLES = 0.87
"""Below what `graphql_operations` finds in the variables: that is the place of the value, this its declaration."""


class _Error(Struct):
    message: str
    line: int
    column: int
    path: list[Any]


def find(exchange: Exchange) -> CauseFinding | None:
    r"""Report the first error of a GraphQL server whose place in the document is known.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> request = Request(method="POST", url="https://a.example/graphql", body='{"query": "{ item { prise } }"}')
    >>> said = '{"errors": [{"message": "Cannot query field \\"prise\\". Did you mean \\"price\\"?", '
    >>> said += '"locations": [{"line": 1, "column": 10}]}]}'
    >>> found = find(Exchange(request, Response(status=400, body=said)))
    >>> found.evidence[0].name, found.remedy.partition(":")[0]
    ('prise', 'Write price in the place of prise')
    """
    documents = documents_of(exchange)
    if not documents:
        return None
    for error in _errors(exchange.response_json):
        for document in documents:
            found = _of_error(exchange, document, error)
            if found is not None:
                return found
    return None


def _errors(answer: Any) -> list[_Error]:
    if isinstance(answer, list) and answer:
        answer = answer[0]
    errors = answer.get("errors") if isinstance(answer, dict) else None
    found = []
    for error in errors[:8] if isinstance(errors, list) else ():
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            continue
        locations, path = error.get("locations"), error.get("path")
        first = locations[0] if isinstance(locations, list) and locations and isinstance(locations[0], dict) else {}
        line, column = first.get("line"), first.get("column")
        found.append(
            _Error(
                mask(error["message"][:1000]),
                line if isinstance(line, int) and 0 < line < 1_000_000 else 0,
                column if isinstance(column, int) and 0 < column < 1_000_000 else 0,
                path[:16] if isinstance(path, list) else [],
            )
        )
    return found


def _of_error(exchange: Exchange, document: GraphqlDocument, error: _Error) -> CauseFinding | None:
    text = document.text
    names = [found[1] for found in (*_ARGUMENT.finditer(error.message), *_QUOTED.finditer(error.message))]
    start = line_offset(text, error.line, error.column) if error.line else -1
    at, name = _named(text, names, max(start, 0))
    if at < 0 and error.path:
        at, name = _of_path(text, error.path)
        if at < 0:
            return _variable(exchange, document, error)
    if at < 0:
        at = start
    if at < 0 or at > len(text):
        return None
    word = _WORD.match(text, at) or _LITERAL.match(text, at)
    shown = word[0] if word is not None else text[at : at + 1]
    evidence = evidence_in(exchange, document, at, error.message[:240], length=max(1, len(shown)), name=name or shown)
    advice = advice_in(error.message)
    return CauseFinding(
        cause="schema_violation",
        confidence=_OF_VARIABLES if "got invalid value" in error.message else 0.93,
        remedy=_remedy(advice, shown, error.message),
        evidence=[evidence],
        mend=lambda: _mended(exchange, document, at, shown, advice),
    )


def _named(text: str, names: list[str], start: int) -> tuple[int, str | None]:
    """The first quoted name that stands in the document, the nearest to the place that the server gives."""
    for name in names[:4]:
        plain = re.escape(name.rpartition(".")[2])
        found = [match.start() for match in re.finditer(rf"(?<![\w]){plain}(?![\w])", text)][:200]
        if found:
            begin = min(found, key=lambda at: abs(at - start))
            if text[begin - 1 : begin] in ("$", '"'):
                begin -= 1
            return begin, name.rpartition(".")[2]
    return -1, None


def _of_path(text: str, path: list[Any]) -> tuple[int, str | None]:
    """The last name of a path, each looked for after the one before it."""
    at, found_name = 0, None
    for part in path:
        if not isinstance(part, str):
            continue
        found = re.compile(rf"(?<![\w$]){re.escape(part)}(?![\w])").search(text, at)
        if found is None:
            return -1, None
        at, found_name = found.start(), part
    return (at, found_name) if found_name is not None else (-1, None)


def _variable(exchange: Exchange, document: GraphqlDocument, error: _Error) -> CauseFinding | None:
    """The end of a path in the variables, such as ``["addOrder", "input", "quantity"]`` in ``variables.input``."""
    if document.path is None:
        return None
    parts = tuple(part for part in error.path if isinstance(part, str | int))
    for start in range(len(parts)):
        place = json_value_place(exchange, (*document.path[:-1], "variables", *parts[start:]))
        if place is not None:
            evidence = evidence_at(exchange, place, error.message[:240])
            remedy = _remedy(advice_in(error.message), place.name, error.message)
            return CauseFinding(cause="schema_violation", confidence=0.9, remedy=remedy, evidence=[evidence])
    return None


def _remedy(advice: Advice, shown: str, message: str) -> str:
    reason = message[:240].rstrip(". ")
    if advice.replacement is not None and re.fullmatch(r"[\w.]+", advice.replacement):
        return f"Write {advice.replacement} in the place of {shown}: {reason}."
    return f"Correct {shown} in the document: {reason}."


def _mended(exchange: Exchange, document: GraphqlDocument, at: int, shown: str, advice: Advice) -> Request | None:
    text = document.text
    end = at + len(shown)
    if advice.replacement is not None and re.fullmatch(r"\w+", advice.replacement) and shown.lstrip("$").isidentifier():
        return with_document(exchange, document, text[:at] + advice.replacement + text[end:])
    value = _ARGUMENT_VALUE.match(text, end) if shown.isidentifier() else _LITERAL.match(text, at)
    if value is None:
        return None
    start, stop = value.span(1) if shown.isidentifier() else value.span()
    literal = text[start:stop]
    new = _literal(literal, advice)
    if new is None:
        return None
    return with_document(exchange, document, text[:start] + new + text[stop:])


def _literal(literal: str, advice: Advice) -> str | None:
    inner = literal.strip('"')
    if advice.kind in ("integer", "number") and literal.startswith('"') and _NUMBER.fullmatch(inner):
        return inner
    if advice.kind == "string" and _NUMBER.fullmatch(literal):
        return f'"{literal}"'
    if _NUMBER.fullmatch(literal) and not advice.of_length:
        number = float(literal)
        limit = advice.most if advice.most is not None and number > advice.most else None
        if advice.least is not None and number < advice.least:
            limit = advice.least
        return f"{limit:g}" if limit is not None else None
    return None
