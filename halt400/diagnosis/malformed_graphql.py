"""The cause malformed_graphql: a GraphQL document that breaks the grammar.

Source: https://spec.graphql.org/October2021/#sec-Document. graphql-core parses the document; the place is mapped
through the JSON string, or the percent-encoding, to the byte that was sent.
"""

from __future__ import annotations

import re
from functools import partial

from halt400.diagnosis.edits import encoded_text, with_body, with_url
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.graphql_documents import GraphqlDocument, documents_of, evidence_in, offset_in, summary_of
from halt400.plural import plural
from halt400.records import Request

__all__ = ["find", "mended_document", "with_document"]

_TOKEN = re.compile(r'"""(?:[^"]|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"?|#[^\n]*|[{}()\[\]]', re.DOTALL)
_CLOSES = {"{": "}", "(": ")", "[": "]"}
_SINGLE_QUOTED = re.compile(r"'([^'\"\\\n]*)'")
_JSON_KEY = re.compile(r'"([_A-Za-z][_0-9A-Za-z]*)"(\s*:)')
_EMPTY_ARGUMENTS = re.compile(r"\(\s*\)")


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report the first document of the request that is not GraphQL.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/graphql", headers=headers, body='{"query": "{ id"}')
    >>> find(Exchange(request))[0].evidence[0].offset
    15
    """
    for document in documents_of(exchange):
        summary = summary_of(document.text)
        if summary is None or summary.problem is None:
            continue
        at = summary.problem_at
        detail, remedy = _described(document.text, at, summary.problem)
        evidence = evidence_in(exchange, document, at, detail, length=1 if at < len(document.text) else 0)
        return [
            CauseFinding(
                cause="malformed_graphql",
                confidence=0.96,
                remedy=remedy,
                evidence=[evidence],
                mend=partial(_mended, exchange, document),
            )
        ]
    return []


def _described(text: str, at: int, problem: str) -> tuple[str, str]:
    """What is wrong, and the remedy."""
    opened = _open_brackets(text)
    if at >= len(text) and opened:
        named = "".join(_CLOSES[bracket] for bracket, _ in reversed(opened))
        detail = f"{problem} The document ends with {plural(len(opened), 'open bracket')}, the last {opened[-1][0]!r}."
        return detail, f"Close the document with {named!r}, or send it whole."
    if "single quote" in problem:
        return (
            problem,
            'Write strings of GraphQL in double quotes, or pass the value as a variable: "variables": {...}.',
        )
    if _EMPTY_ARGUMENTS.search(text, max(0, at - 1), at + 1):
        return f"{problem} A field without arguments has no parentheses.", "Remove the empty parentheses ()."
    if "found String" in problem:
        return problem, "Write the keys of an input object without quotes, or pass it as a variable."
    if 'Expected ":"' in problem:
        return problem, "Put a colon between the name of the argument and its value."
    if 'Unexpected "}"' in problem or 'Unexpected ")"' in problem:
        return problem, f"Remove the bracket {text[at : at + 1]!r} that closes nothing."
    if 'Expected Name, found "}"' in problem:
        return f"{problem} A selection set names at least one field.", "Name at least one field between the braces."
    return problem, "Correct the document where it stops; a GraphQL client or graphql-core's parse() checks it before."


def _open_brackets(text: str) -> list[tuple[str, int]]:
    opened: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in _CLOSES:
            opened.append((token[0], token.start()))
        elif token[0] in ("}", ")", "]") and opened and _CLOSES[opened[-1][0]] == token[0]:
            opened.pop()
    return opened


def mended_document(text: str) -> str | None:
    """The document with its syntax mended, one mechanical edit after the other; None where that does not mend it.

    Examples
    --------
    >>> mended_document("{ product(id: 'a') { name }")
    '{ product(id: "a") { name } }'
    """
    for _ in range(12):
        summary = summary_of(text)
        if summary is None:
            return None
        if summary.problem is None:
            return text
        edited = _edited(text, summary.problem_at, summary.problem)
        if edited is None or edited == text:
            return None
        text = edited
    return None


def _edited(text: str, at: int, problem: str) -> str | None:
    opened = _open_brackets(text)
    if at >= len(text) and opened and "Unterminated" not in problem:
        if any(bracket != "{" for bracket, _ in opened):
            return None  # cut inside arguments: what is missing is not known
        return text + "".join((" " if bracket == "{" else "") + _CLOSES[bracket] for bracket, _ in reversed(opened))
    quoted = _SINGLE_QUOTED.match(text, at)
    if quoted is not None:
        return f'{text[:at]}"{quoted[1]}"{text[quoted.end() :]}'
    key = _JSON_KEY.match(text, at)
    if key is not None:
        return text[:at] + key[1] + key[2] + text[key.end() :]
    empty = _EMPTY_ARGUMENTS.search(text, max(0, text.rfind("(", 0, at + 1)), at + 1)
    if empty is not None:
        return text[: empty.start()] + text[empty.end() :]
    if 'Expected ":"' in problem:
        return text[:at].rstrip() + ": " + text[at:]
    if 'Unexpected "}"' in problem and text[at : at + 1] == "}":
        return text[:at].rstrip() + text[at + 1 :]
    return None


def _mended(exchange: Exchange, document: GraphqlDocument) -> Request | None:
    text = mended_document(document.text)
    return with_document(exchange, document, text) if text is not None else None


def with_document(exchange: Exchange, document: GraphqlDocument, text: str) -> Request | None:
    """The request with another text in the place of a document."""
    start = offset_in(exchange, document, 0)
    end = offset_in(exchange, document, len(document.text))
    if document.where == "url":
        url = exchange.url
        return with_url(exchange.request, url[:start] + encoded_text(text, "query") + url[end:])
    body = exchange.parseable_body
    if body is None:
        return None
    new = text.encode() if document.path is None else encoded_text(text, "json")[1:-1].encode()
    return with_body(exchange.request, body[:start] + new + body[end:])
