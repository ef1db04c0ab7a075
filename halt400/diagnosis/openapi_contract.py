"""A request against the contract of its target: an OpenAPI 3.0 or 3.1 document, by openapi-core (extra ``openapi``).

Sources: https://spec.openapis.org/oas/v3.1.0, https://openapi-core.readthedocs.io/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

from halt400.diagnosis.contract_mends import fixed_value, mended_by_schema, resolved, with_parameter
from halt400.diagnosis.edits import with_header
from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.json_places import path_text
from halt400.diagnosis.locations import evidence_at
from halt400.diagnosis.places import Place, json_value_place, place_of_name
from halt400.diagnosis.schema_remedies import mend_of, remedy_of
from halt400.diagnosis.server_advice import advice_in
from halt400.errors import InputError
from halt400.records import Cause, Evidence, Request

__all__ = ["Contract"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)(?:\?([^#]*))?")
_QUOTED = re.compile(r"'([^']{1,80})' (?:is a required property|was unexpected)")
_PARAMETER = re.compile(r"(\{[^{}]{1,200}\})")
_MOST = 6
_REFUSED, _UNSEEN = 0.9, 0.85
_HOW = "Give an OpenAPI 3.0 or 3.1 document, as JSON or YAML."


class Contract:
    """The contract of a target.

    Parameters
    ----------
    text
        The OpenAPI document, JSON or YAML.

    Raises
    ------
    InputError
        When it is no OpenAPI document, or openapi-core is not installed.
    """

    def __init__(self, text: bytes) -> None:
        try:
            import yaml
            from openapi_core import OpenAPI
        except ModuleNotFoundError:
            raise InputError(
                "The contract cannot be read without openapi-core.", "pip install 'halt400[openapi]'"
            ) from None
        try:
            document = yaml.safe_load(text)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"The contract is neither JSON nor YAML ({_line(error)}).", _HOW) from None
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise InputError("The contract has no paths.", _HOW)
        try:
            self._api = OpenAPI.from_dict(document)
        except Exception as error:  # of the many validators below it
            raise InputError(f"The contract is no OpenAPI document ({_line(error)}).", _HOW) from None
        self._document = document

    def find(self, exchange: Exchange) -> list[CauseFinding]:
        """Report where a request breaks the contract."""
        found: list[CauseFinding] = []
        for error in self._api.iter_request_errors(_ContractRequest(exchange)):
            of_error = _findings(exchange, error)
            for number, finding in enumerate(of_error):
                finding.mend = partial(self._mended, exchange, error, number, finding.mend)
            found.extend(of_error)
            if len(found) >= _MOST:
                break
        return found[:_MOST]

    def _mended(
        self, exchange: Exchange, error: Any, number: int, by_words: Callable[[], Request | None] | None
    ) -> Request | None:
        """The request after the mend of one error, where it then breaks less of the contract."""
        errors = list(getattr(error.__cause__, "schema_errors", ()))
        name, location = getattr(error, "name", None), str(getattr(error, "location", ""))
        mended = None
        if type(error).__name__ == "MissingRequiredParameter" and isinstance(name, str):
            mended = with_parameter(exchange, name, location, self._fixed_parameter(exchange, name, location))
        elif type(error.__cause__).__name__ == "MediaTypeNotFound":
            mended = _declared(exchange, getattr(error.__cause__, "availableMimetypes", ()) or ())
        elif number < len(errors) and name is None:
            mended = mended_by_schema(exchange, self._document, errors[number], tuple(errors[number].absolute_path))
        if mended is None and by_words is not None:
            mended = by_words()
        return mended if mended is not None and self._breaks(Exchange(mended)) < self._breaks(exchange) else None

    def _breaks(self, exchange: Exchange) -> int:
        errors = self._api.iter_request_errors(_ContractRequest(exchange))
        return sum(max(1, len(list(getattr(error.__cause__, "schema_errors", ())))) for error in errors)

    def _fixed_parameter(self, exchange: Exchange, name: str, location: str) -> list[Any]:
        """The value that the contract leaves no choice about, of a parameter of the operation that is called."""
        path = exchange.url.partition("#")[0].partition("?")[0]
        for template, item in self._document["paths"].items():
            pattern = "".join("[^/]+" if part[:1] == "{" else re.escape(part) for part in _PARAMETER.split(template))
            if not isinstance(item, dict) or re.search(f"(?:{pattern})$", path) is None:
                continue
            operation = item.get(exchange.method.lower())
            given = (operation.get("parameters") if isinstance(operation, dict) else None) or []
            for parameter in (*given, *(item.get("parameters") or [])):
                one = resolved(self._document, parameter)
                if isinstance(one, dict) and (one.get("name"), one.get("in")) == (name, location):
                    return fixed_value(self._document, one.get("schema"))
        return []


def _declared(exchange: Exchange, taken: Iterable[str]) -> Request | None:
    """The request with the one JSON media type that the contract takes, where the body is JSON."""
    known = [one for one in taken if one.partition(";")[0].endswith("json")]
    return with_header(exchange.request, "Content-Type", known[0]) if known and exchange.json is not None else None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


class _ContractRequest:
    """An exchange with the attributes that openapi-core asks for."""

    def __init__(self, exchange: Exchange) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        found = _URL.match(exchange.url)
        host, path, query = found.groups("") if found is not None else ("", exchange.url, "")
        cookies = dict(
            pair.strip().split("=", 1)
            for text in exchange.fields.get("cookie", ())
            for pair in text.split(";")
            if "=" in pair
        )
        self.host_url = host
        self.path = unquote(path) or "/"
        self.method = exchange.method.lower()
        self.content_type = exchange.media_type.essence or "application/octet-stream"
        self.body = exchange.parseable_body or None
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
            header=Headers(
                [(name, value) for name, value in exchange.headers if "\n" not in value and "\r" not in value]
            ),
            cookie=ImmutableMultiDict(cookies),
            path={},
        )


def _finding(
    exchange: Exchange, evidence: Evidence, remedy: str, cause: Cause = "schema_violation", confidence: float = 1.0
) -> CauseFinding:
    sure = (_REFUSED if exchange.refused else _UNSEEN) * confidence
    return CauseFinding(cause=cause, confidence=sure, remedy=remedy, evidence=[evidence])


def _findings(exchange: Exchange, error: Any) -> list[CauseFinding]:
    kind = type(error).__name__
    cause = error.__cause__
    name, location = getattr(error, "name", None), getattr(error, "location", None)
    if kind in ("PathNotFound", "ServerNotFound", "OperationNotFound"):
        what = {"PathNotFound": "path", "ServerNotFound": "server", "OperationNotFound": "operation"}[kind]
        detail = f"The contract has no such {what}: {exchange.method} {exchange.url.partition('?')[0][:200]}."
        where = "method" if kind == "OperationNotFound" else "url"
        return [
            _finding(
                exchange,
                Evidence(where=where, detail=mask(detail)),
                f"Use a {what} that the contract has.",
                confidence=0.9,
            )
        ]
    if isinstance(name, str):
        return [_of_parameter(exchange, name, str(location), kind, cause)]
    if kind == "MissingRequiredRequestBody":
        detail = "The contract requires a body; there is none."
        return [_finding(exchange, Evidence(where="body", detail=detail), "Send the body that the contract describes.")]
    if type(cause).__name__ == "MediaTypeNotFound":
        detail = f"The contract takes {', '.join(getattr(cause, 'availableMimetypes', ()) or ())} here."
        evidence = Evidence(
            where="header", name="Content-Type", detail=f"{detail} Sent: {exchange.media_type.essence}."
        )
        return [_finding(exchange, evidence, f"Declare and send one of them. {detail}", "content_type_mismatch")]
    return [_of_schema(exchange, one, ()) for one in list(getattr(cause, "schema_errors", ()))[:_MOST]]


def _of_parameter(exchange: Exchange, name: str, location: str, kind: str, cause: Any) -> CauseFinding:
    where = "header" if location in ("header", "cookie") else "url"
    if kind == "MissingRequiredParameter":
        detail = f"The contract requires the {location} parameter {name}; it is missing."
        missing: Cause = "missing_required_header" if location == "header" else "schema_violation"
        evidence = Evidence(where=where, name=name, detail=detail)
        return _finding(exchange, evidence, f"Add the {location} parameter {name}.", missing)
    errors = list(getattr(cause, "schema_errors", ()))
    reason = errors[0].message if errors else str(cause or "it breaks its schema")
    place = place_of_name(exchange, name, location if location in ("query", "header", "path") else None)
    return _placed(exchange, place, name, reason[:240], where)


def _of_schema(exchange: Exchange, error: Any, above: tuple[str | int, ...]) -> CauseFinding:
    path = (*above, *error.absolute_path)
    named = _QUOTED.search(error.message)
    if named is not None and "required property" in error.message:
        missing = path_text((*path, named[1]))
        detail = f"The contract requires the member {missing}; it is missing."
        return _finding(exchange, Evidence(where="body", name=missing, detail=detail), f"Add {missing} to the body.")
    if named is not None:
        path = (*path, named[1])
    place = json_value_place(exchange, path) if path else None
    return _placed(exchange, place, path_text(path) or "the body", error.message[:240], "body")


def _placed(exchange: Exchange, place: Place | None, name: str, reason: str, where: str) -> CauseFinding:
    reason = mask(reason)
    detail = f"{name}: by the contract, {reason}"
    evidence = Evidence(where=where, name=name, detail=detail)
    if place is not None:
        evidence = evidence_at(exchange, place, detail, name=name, value=True)
    advice = advice_in(reason)
    found = _finding(exchange, evidence, remedy_of(exchange, name, place, reason, advice))
    found.mend = mend_of(exchange, name, place, reason, advice)
    return found
