"""What is wrong in a well-formed GraphQL request without knowing the schema: variables, fragments, operation names.

Sources: https://spec.graphql.org/October2021/, sections 5.5 (fragments), 5.8 (variables), 6.1 (executing requests) and
6.1.2 (coercing variable values). Servers check these before they run anything.
"""

from __future__ import annotations

from typing import Any

from halt400.diagnosis.edits import replace_value
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.graphql_documents import (
    GraphqlDocument,
    GraphqlOperation,
    GraphqlSummary,
    documents_of,
    evidence_in,
    summary_of,
)
from halt400.diagnosis.locations import evidence_at
from halt400.diagnosis.places import Place, json_value_place
from halt400.records import Evidence, Request

__all__ = ["find"]

_INT_LIMIT = 1 << 31


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report what the documents, their variables and their operation names contradict.

    Examples
    --------
    >>> from halt400.records import Request
    >>> body = '{"query": "query ($id: ID!) { product(id: $id) { name } }", "variables": {}}'
    >>> request = Request(method="POST", url="https://a.example/graphql", body=body)
    >>> find(Exchange(request))[0].remedy
    'Give variables.id a value of type ID!.'
    """
    for document in documents_of(exchange):
        summary = summary_of(document.text)
        if summary is None or summary.problem is not None:
            continue
        found = _fragments(exchange, document, summary) or _operation(exchange, document, summary)
        if found is not None:
            return [found]
    return []


def _finding(exchange: Exchange, evidence: Evidence, remedy: str, refused: float, unseen: float) -> CauseFinding:
    confidence = refused if exchange.refused else unseen
    return CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=[evidence])


def _fragments(exchange: Exchange, document: GraphqlDocument, summary: GraphqlSummary) -> CauseFinding | None:
    defined = dict(summary.fragments)
    for name, offset in summary.spreads:
        if name not in defined:
            detail = f"The fragment {name} is used and not defined in the document."
            evidence = evidence_in(exchange, document, offset, detail, length=len(name), name=name[:80])
            return _finding(exchange, evidence, f"Add the fragment {name} to the document.", 0.93, 0.8)
    used = {name for name, _ in summary.spreads}
    for name, offset in summary.fragments:
        if name not in used:
            detail = f"The fragment {name} is defined and never used."
            evidence = evidence_in(exchange, document, offset, detail, length=len(name), name=name[:80])
            return _finding(exchange, evidence, f"Remove the fragment {name}, or use it.", 0.86, 0.55)
    return None


def _operation(exchange: Exchange, document: GraphqlDocument, summary: GraphqlSummary) -> CauseFinding | None:
    names = [operation.name for operation in summary.operations]
    if not names:
        return None
    wanted = document.operation_name
    if wanted is not None and wanted not in names:
        return _wrong_name(exchange, document, wanted, [name for name in names if name])
    if wanted is None and len(names) > 1:
        listed = ", ".join(name or "(without a name)" for name in names[:6])
        detail = f"The document holds {len(names)} operations ({listed}), and operationName does not choose one."
        evidence = evidence_in(exchange, document, 0, detail, name="operationName")
        return _finding(exchange, evidence, f"Send operationName: one of {listed}.", 0.93, 0.8)
    operation = next(one for one in summary.operations if wanted is None or one.name == wanted)
    return _variables(exchange, document, operation)


def _wrong_name(exchange: Exchange, document: GraphqlDocument, wanted: str, names: list[str]) -> CauseFinding | None:
    place = _sibling(exchange, document, "operationName")
    if place is None:
        return None
    listed = ", ".join(names[:6]) or "one without a name"
    evidence = evidence_at(exchange, place, f"No operation of the document has this name; it has {listed}.", value=True)
    found = _finding(exchange, evidence, f"Set operationName to {listed}.", 0.93, 0.8)
    if len(names) == 1:
        found.mend = lambda: replace_value(exchange, place, names[0])
    return found


def _sibling(exchange: Exchange, document: GraphqlDocument, *path: str | int) -> Place | None:
    """A member of the object that holds the document."""
    if document.path is None:
        return None
    return json_value_place(exchange, (*document.path[:-1], *path))


def _variables(exchange: Exchange, document: GraphqlDocument, operation: GraphqlOperation) -> CauseFinding | None:
    declared = {variable.name: variable for variable in operation.variables}
    for name, offset in sorted(operation.uses, key=lambda use: use[1]):
        if name not in declared:
            detail = f"The variable ${name} is used and not declared by the operation."
            evidence = evidence_in(exchange, document, offset, detail, length=len(name) + 1, name=name[:80])
            remedy = f"Declare the variable: query (${name}: Type) {{ ... }}."
            return _finding(exchange, evidence, remedy, 0.93, 0.8)
    given = document.variables
    if document.path is not None and (given is None or isinstance(given, dict)):
        values: dict[str, Any] = given or {}
        for variable in operation.variables:
            if variable.type.endswith("!") and not variable.has_default and values.get(variable.name) is None:
                what = "null" if variable.name in values else "no value"
                detail = f"${variable.name} is of the required type {variable.type} and has {what} in variables."
                name = variable.name[:80]
                evidence = evidence_in(exchange, document, variable.offset, detail, length=len(name) + 1, name=name)
                remedy = f"Give variables.{name} a value of type {variable.type}."
                return _finding(exchange, evidence, remedy, 0.92, 0.8)
        wrong = _wrong_value(exchange, document, operation, values)
        if wrong is not None:
            return wrong
    used = {name for name, _ in operation.uses}
    for variable in operation.variables:
        if variable.name not in used:
            detail = f"The variable ${variable.name} is declared and never used."
            name = variable.name[:80]
            evidence = evidence_in(exchange, document, variable.offset, detail, length=len(name) + 1, name=name)
            return _finding(exchange, evidence, f"Remove ${name} from the operation, or use it.", 0.86, 0.5)
    return None


def _wrong_value(
    exchange: Exchange, document: GraphqlDocument, operation: GraphqlOperation, values: dict[str, Any]
) -> CauseFinding | None:
    for variable in operation.variables:
        if variable.name not in values:
            continue
        path = _mismatch(variable.type, values[variable.name], ())
        if path is None:
            continue
        place = _sibling(exchange, document, "variables", variable.name, *path)
        if place is None:
            continue
        scalar = variable.type.strip("[]!")
        detail = f"${variable.name} is of type {variable.type}; this is no {scalar}."
        evidence = evidence_at(exchange, place, detail, name=variable.name[:80], value=True)
        remedy = f"Send variables.{variable.name} as {_NAMES[scalar]}, without quotes."
        if scalar in ("String", "ID"):
            remedy = f"Send variables.{variable.name} as a text, in quotes."
        found = _finding(exchange, evidence, remedy, 0.9, 0.55)
        value: Any = values[variable.name]
        for part in path:
            value = value[part]
        converted = _converted(scalar, value)
        if converted is not None:
            found.mend = _replacing(exchange, place, converted)
        return found
    return None


def _replacing(exchange: Exchange, place: Place, value: Any) -> Any:
    def mend() -> Request | None:
        return replace_value(exchange, place, value)

    return mend


_NAMES = {"Int": "a whole number", "Float": "a number", "Boolean": "true or false", "String": "a text", "ID": "a text"}


def _mismatch(kind: str, value: Any, path: tuple[int, ...]) -> tuple[int, ...] | None:
    """The path of the first element that a built-in scalar type does not take; None where the value may be right."""
    kind = kind.removesuffix("!")
    if value is None:
        return None
    if kind.startswith("["):
        if not isinstance(value, list):
            return _mismatch(kind[1:-1], value, path)
        for index, item in enumerate(value[:200]):
            found = _mismatch(kind[1:-1], item, (*path, index))
            if found is not None:
                return found
        return None
    return path if kind in _NAMES and not _takes(kind, value) else None


def _takes(kind: str, value: Any) -> bool:
    if kind == "Boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "Int":
        return isinstance(value, int | float) and float(value).is_integer() and -_INT_LIMIT <= value < _INT_LIMIT
    if kind == "Float":
        return isinstance(value, int | float)
    return isinstance(value, str) or (kind == "ID" and isinstance(value, int))


def _converted(kind: str, value: Any) -> Any:
    """The value as the type writes it, None where that would be a guess."""
    if isinstance(value, str):
        text = value.strip()
        if kind == "Int" and text.lstrip("-").isdecimal():
            return int(text)
        if kind == "Float" and text.replace(".", "", 1).lstrip("-").isdecimal():
            return float(text)
        if kind == "Boolean" and text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif kind in ("String", "ID") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None
