"""GraphQL documents in a request: where the text is, and what is in it (https://spec.graphql.org/October2021/).

A document is the string ``query`` of a JSON body, alone or in a batch, the parameter ``query`` of a GET, or the whole
body as ``application/graphql`` (https://graphql.github.io/graphql-over-http/draft/). It is parsed by graphql-core, of
the extras ``graphql``, ``cli`` and ``service``; without that only what the server says of it is placed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_body, at_text
from halt400.diagnosis.places import json_value_place, query_pairs
from halt400.diagnosis.text_offsets import json_string_offset, percent_offset
from halt400.records import Evidence

__all__ = [
    "GraphqlDocument",
    "GraphqlOperation",
    "GraphqlSummary",
    "GraphqlVariable",
    "documents_of",
    "evidence_in",
    "offset_in",
    "summary_of",
]

LONGEST = 65_536
"""Characters of a document that is parsed; of a longer one only what the server says is placed."""
_MOST_TOKENS = 6_000
_MOST_DOCUMENTS = 8
_URL = re.compile(r"graphql|/gql\b", re.IGNORECASE)
_KEYWORD = re.compile(r"[\s,\ufeff]*(?:#[^\n]*\n\s*)*(?:query|mutation|subscription|fragment)\b[^{\"]{0,2000}\{")
_NOT_SYNTAX = ("contains more that", "contains more than", "more than", "nested too deeply")


class GraphqlDocument(Struct):
    """One document: its text, its part of the request (`path` in a JSON body, None elsewhere), and its parameters."""

    text: str
    path: tuple[str | int, ...] | None
    where: str
    start: int = 0
    variables: Any = None
    operation_name: str | None = None


class GraphqlVariable(Struct, frozen=True):
    """A variable of an operation; `type` as it is written, such as ``[ID!]!``."""

    name: str
    type: str
    has_default: bool
    offset: int


class GraphqlOperation(Struct, frozen=True):
    """An operation with its variables, and where it uses variables (fragments included)."""

    name: str | None
    variables: tuple[GraphqlVariable, ...]
    uses: tuple[tuple[str, int], ...]


class GraphqlSummary(Struct, frozen=True):
    """What a document holds, or what is wrong with its syntax; offsets count characters of the text."""

    problem: str | None = None
    problem_at: int = 0
    operations: tuple[GraphqlOperation, ...] = ()
    fragments: tuple[tuple[str, int], ...] = ()
    spreads: tuple[tuple[str, int], ...] = ()


def documents_of(exchange: Exchange) -> list[GraphqlDocument]:
    """The documents of a request, empty where it is no GraphQL.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="POST", url="https://a.example/graphql", body='{"query": "{ id }"}')
    >>> [document.text for document in documents_of(Exchange(request))]
    ['{ id }']
    """
    found: list[GraphqlDocument] | None = exchange.cache.get("graphql")
    if found is None:
        found = exchange.cache["graphql"] = _documents(exchange)
    return found


def _documents(exchange: Exchange) -> list[GraphqlDocument]:
    body = exchange.parseable_body
    if not body:
        return _in_query(exchange) if "query=" in exchange.url and _URL.search(exchange.url) else []
    if exchange.media_type.essence == "application/graphql":
        return [GraphqlDocument(body.decode("utf-8", "replace"), None, "body")]
    if b'"query"' not in body:
        return []
    value = exchange.json
    if isinstance(value, dict):
        one = _of_object(exchange, value, ())
        return [one] if one is not None else []
    if isinstance(value, list):
        batch = [_of_object(exchange, item, (place,)) for place, item in enumerate(value[:_MOST_DOCUMENTS])]
        return [one for one in batch if one is not None]
    return []


def _of_object(exchange: Exchange, value: Any, above: tuple[str | int, ...]) -> GraphqlDocument | None:
    text = value.get("query") if isinstance(value, dict) else None
    if not isinstance(text, str) or not (_KEYWORD.match(text) or _is_selection(exchange, text, value)):
        return None
    name = value.get("operationName")
    return GraphqlDocument(
        text,
        (*above, "query"),
        "body",
        variables=value.get("variables"),
        operation_name=name if isinstance(name, str) and name else None,
    )


def _is_selection(exchange: Exchange, text: str, value: dict[str, Any]) -> bool:
    """Whether the text is the short form of a query, `{ ... }`, or at least sent where GraphQL is read."""
    if not text.lstrip().startswith("{"):
        return False
    return "variables" in value or "operationName" in value or _URL.search(exchange.url[:2048]) is not None


def _in_query(exchange: Exchange) -> list[GraphqlDocument]:
    for _, name, start, end in query_pairs(exchange.url):
        if name == "query" and start >= 0:
            text = unquote_plus(exchange.url[start:end])
            if _KEYWORD.match(text) or text.lstrip().startswith("{"):
                return [GraphqlDocument(text, None, "url", start)]
    return []


def offset_in(exchange: Exchange, document: GraphqlDocument, index: int) -> int:
    """The offset in the body (bytes) or in the URL (characters) of a character of a document."""
    if document.where == "url":
        return percent_offset(exchange.url, document.start, index)
    body = exchange.parseable_body or b""
    if document.path is None:
        return len(document.text[:index].encode("utf-8", "surrogatepass"))
    place = json_value_place(exchange, document.path)
    return json_string_offset(body, place.value, index) if place is not None else 0


def evidence_in(
    exchange: Exchange, document: GraphqlDocument, index: int, detail: str, *, length: int = 1, name: str | None = None
) -> Evidence:
    """Point at a character of a document, in the part of the request that holds it."""
    before = document.text[:index]
    line, column = before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
    detail = f"GraphQL document, line {line}, column {column}: {detail}"
    offset = offset_in(exchange, document, index)
    if document.where == "url":
        return at_text("url", exchange.url[:65536], offset, detail, length=length, name=name)
    return at_body(exchange.parseable_body or b"", offset, detail, length=length, name=name)


def summary_of(text: str) -> GraphqlSummary | None:
    """What a document holds; None where graphql-core is not installed, or the document is too long to parse.

    Examples
    --------
    >>> summary_of("query ($id: ID!) { product(id: $id) { name }").problem
    'Expected Name, found <EOF>.'
    """
    return _summary(text) if len(text) <= 4096 else _summary.__wrapped__(text)


@lru_cache(maxsize=64)
def _summary(text: str) -> GraphqlSummary | None:
    if len(text) > LONGEST:
        return None
    try:
        from graphql import GraphQLSyntaxError, parse
    except ModuleNotFoundError:
        return None
    try:
        parsed = parse(text, max_tokens=_MOST_TOKENS)
    except GraphQLSyntaxError as error:
        # graphql-core 3.3 quotes tokens with single quotes, 3.2 and graphql-js with double ones.
        message = re.sub(r"'([^' ]{1,80})'", r'"\1"', error.message.removeprefix("Syntax Error: "))
        if any(words in message for words in _NOT_SYNTAX):
            return None
        return GraphqlSummary(problem=message, problem_at=min(len(text), next(iter(error.positions or ()), 0)))
    except RecursionError:
        return None
    reader = _SummaryReader()
    summary = reader.read(parsed)
    if reader.empty_at >= 0:  # graphql-core 3.3 takes an empty selection set, servers and the grammar do not
        return GraphqlSummary(problem='Expected Name, found "}".', problem_at=reader.empty_at)
    return summary


class _SummaryReader:
    """Walks a parsed document once."""

    def __init__(self) -> None:
        self.empty_at = -1
        self.uses: list[tuple[str, int]] = []
        self.spreads: list[tuple[str, int]] = []

    def read(self, parsed: Any) -> GraphqlSummary:
        operations, fragments = [], {}
        all_spreads: list[tuple[str, int]] = []
        for definition in parsed.definitions:
            self.uses, self.spreads = [], []
            self._walk(definition)
            all_spreads += self.spreads
            if definition.kind == "fragment_definition":
                names = [name for name, _ in self.spreads]
                fragments[definition.name.value] = (definition.name.loc.start, self.uses, names)
            elif definition.kind == "operation_definition":
                operations.append((definition, self.uses, [name for name, _ in self.spreads]))
        return GraphqlSummary(
            operations=tuple(
                GraphqlOperation(
                    name=definition.name.value if definition.name is not None else None,
                    variables=tuple(_variable(found) for found in definition.variable_definitions or ()),
                    uses=tuple(uses + _of_fragments(spreads, fragments)),
                )
                for definition, uses, spreads in operations
            ),
            fragments=tuple((name, offset) for name, (offset, _, _) in fragments.items()),
            spreads=tuple(all_spreads),
        )

    def _walk(self, root: Any) -> None:
        pending = [root]
        while pending:
            node = pending.pop()
            kind = node.kind
            if kind == "variable":
                self.uses.append((node.name.value, node.loc.start))
                continue
            if kind == "selection_set" and not node.selections:
                self.empty_at = node.loc.end - 1
            if kind == "fragment_spread":
                self.spreads.append((node.name.value, node.name.loc.start))
            for key in node.keys:
                if key in ("loc", "name", "variable"):
                    continue
                child = getattr(node, key, None)
                if isinstance(child, list | tuple):
                    pending.extend(one for one in child if hasattr(one, "keys"))
                elif hasattr(child, "keys"):
                    pending.append(child)


def _variable(definition: Any) -> GraphqlVariable:
    from graphql import print_ast

    return GraphqlVariable(
        name=definition.variable.name.value,
        type=print_ast(definition.type),
        has_default=definition.default_value is not None,
        offset=definition.variable.loc.start,
    )


def _of_fragments(spreads: list[str], fragments: dict[str, Any]) -> list[tuple[str, int]]:
    """The variables that the fragments of an operation use, those of their fragments included."""
    uses: list[tuple[str, int]] = []
    seen: set[str] = set()
    pending = list(spreads)
    while pending:
        name = pending.pop()
        if name in seen or name not in fragments:
            continue
        seen.add(name)
        uses += fragments[name][1]
        pending += fragments[name][2]
    return uses
