"""Read a server's error body: its messages, and the fields and parameters that it names.

One bounded walk reads the forms in use: RFC 9457 problem details, JSON:API (``source.pointer``), GraphQL (``path``),
Google (``fieldViolations``, AIP-193), AWS (``Value at 'x' failed to satisfy constraint``), Stripe (``param``), FastAPI
(``loc``), Rails, Laravel and Django REST (a map of field to messages), Spring (``fieldErrors``), Symfony
(``propertyPath``), Microsoft (``target``), ajv, joi and zod (``path``), GitHub (``field``, ``code``), and plain text.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from halt400.diagnosis.empty_sentences import says_nothing
from halt400.diagnosis.error_paths import nested_errors
from halt400.diagnosis.errors_in_text import document_in
from halt400.diagnosis.excerpts import mask
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.message_names import names_in, value_in
from halt400.lazy_patterns import lazy_pattern

__all__ = ["NamedField", "ServerError", "read_server_error"]

_MAX_NODES = 1500
_MAX_FIELDS = 12
_FIELD_KEYS = (
    "pointer", "parameter", "field", "param", "propertypath", "property", "fieldname", "parametername", "instancepath",
    "datapath", "loc", "path", "target", "attribute", "argument", "argumentname", "missingproperty", "location", "key", "header",
)  # fmt: skip
_NAME_WITH_REASON = ("name", "id")
_MESSAGE_KEYS = (
    "detail", "details", "message", "msg", "explanation", "error_description", "errormessage", "error_message", "description",
    "reason", "faultstring", "title", "developermessage", "usermessage", "defaultmessage", "cause", "summary", "hint", "exception",
)  # fmt: skip
_LISTS_OF_NAMES = frozenset(
    {"fields", "params", "parameters", "missing", "missing_fields", "required", "invalid_fields"}
)
_MAPS_OF_FIELDS = frozenset(
    {
        "errors",
        "fields",
        "fielderrors",
        "field_errors",
        "validationerrors",
        "validation_errors",
        "violations",
        "invalid",
        "modelstate",
        "params",
        "parameters",
    }
)
_ENVELOPE = frozenset(
    {*_MESSAGE_KEYS, "status", "code", "type", "error", "errors", "statuscode", "status_code", "success", "timestamp", "path",
     "instance", "trace", "traceid", "trace_id", "requestid", "request_id", "documentation_url", "details", "data", "meta", "links"}
)  # fmt: skip
_NO_FIELD = lazy_pattern(r"https?:|^/(?:api|v\d)\b|^$|\s{2}|^\d{3}$")
_NO_NAME = frozenset({"global", "base", "non_field_errors", "_schema", "__all__", "schema", "body", "query", "path"})
_LOCATIONS = {
    "body": "body",
    "query": "query",
    "path": "path",
    "header": "header",
    "cookie": "header",
    "formdata": "body",
    "form": "body",
    "querystring": "query",
}
_PLAIN = lazy_pattern(
    r"(?:bad[ _]request|validation (?:failed|error)|invalid (?:request|input|payload|argument|data)|generic error|error|internal (?:server )?error|unexpected internal error|invalid_?argument|invalid_request(?:_error)?|invalid_body|unprocessable entity|unknown error(?: occurred)?|request failed|failed|400|one or more validation errors occurred|failed to decode request|all shards failed)[.:! ]*",
    re.IGNORECASE,
)
_XML_TEXT = lazy_pattern(
    r"<(?:\w+:)?(?:message|faultstring|detail|text|reason|description|errormessage|argumentname|value)\b[^>]{0,200}>([^<]{1,2000})<",
    re.IGNORECASE,
)
_XML_NAME = lazy_pattern(r"(?i)<(?:argumentname|field|parameter(?:name)?)>([^<]{1,80})<")
_QUALIFIED_NAME = lazy_pattern(r"\w{1,20}:\w{1,60}")
"""A code of a SOAP fault, such as ``s:Sender``: no sentence."""
_TAG = lazy_pattern(
    r"<(?:script|style)\b[^>]{0,500}>.{0,20000}?</(?:script|style)>|<[^>]{0,2000}>", re.IGNORECASE | re.DOTALL
)


class NamedField(Struct):
    """A field as the server names it.

    Attributes
    ----------
    location
        body, query, path or header, where the server says so.
    structured
        Whether the error has the name in a member of its own, not in a sentence.
    """

    name: str
    message: str = ""
    location: str | None = None
    structured: bool = True


class ServerError(Struct):
    """What an error body says: its messages, the fields that it names, and the values that it repeats.

    Attributes
    ----------
    sentences
        The messages as the server wrote them, to be read and never shown: `messages` are masked.
    """

    messages: list[str]
    fields: list[NamedField]
    values: list[str]
    sentences: list[str] = []

    @property
    def message(self) -> str:
        """The first message with information, else the first that says more than "bad request"; empty where none does."""
        told = [text for text in self.messages if not _PLAIN.fullmatch(text.strip())]
        return next((text for text in told if not says_nothing(text)), told[0] if told else "")


def read_server_error(exchange: Exchange) -> ServerError:
    """Read the response body of an exchange.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> body = '{"errors": [{"title": "missing required field", "source": {"pointer": "/data/attributes/name"}}]}'
    >>> error = read_server_error(Exchange(Request(method="POST", url="https://a.example/"), Response(status=400, body=body)))
    >>> error.fields[0].name, error.fields[0].message
    ('/data/attributes/name', 'missing required field')
    """
    cache = exchange.parsed_response.cache
    known: ServerError | None = cache.get("server error")
    if known is None:
        known = cache["server error"] = _read(exchange)
    return known


def _read(exchange: Exchange) -> ServerError:
    error = ServerError([], [], [])
    document = exchange.response_json
    if document is not None:
        nested = nested_errors(document)
        for name, message in nested:
            _add(error, NamedField(name, message))
            error.messages.append(message[:1000])
        _Walk(error, is_nested=bool(nested)).run(document)
        error.messages = _unfolded(error)
        if all(says_nothing(message) for message in error.messages):
            error.messages.extend(_other_sentences(document))
    else:
        _plain_text(exchange.response_text[:65536], error)
    # Masked first, so that no secret of a message becomes a name or value to search the request for.
    masked: dict[str, str] = {}
    error.sentences = error.messages
    error.messages = [masked.setdefault(message, mask(message)) for message in error.messages]
    for field in error.fields:
        if field.message not in masked:
            masked[field.message] = mask(field.message[:1000])
        field.message = masked[field.message]
    for message in error.messages[:8]:
        if " " not in message.strip():
            continue  # a code, which names nothing
        for name, location in names_in(message):
            _add(error, NamedField(name, message, location, structured=False))
        error.values.extend(value_in(message))
    return error


def _unfolded(error: ServerError) -> list[str]:
    """The messages, with what an error document inside of one says in its place."""
    messages: list[str] = []
    for message in error.messages:
        inner = document_in(message) if "{" in message else None
        if not isinstance(inner, dict | list):
            messages.append(message[:1000])
            continue
        inside = ServerError([], [], [])
        _Walk(inside).run(inner)
        for field in inside.fields:
            _add(error, field)
        messages.extend(inside.messages or [message[:1000]])
    return messages[:16]


def _other_sentences(document: Any) -> list[str]:
    """Up to three sentences with information, in members of any name."""
    found: list[str] = []
    pending: list[Any] = [document]
    for count, value in enumerate(pending):
        if count >= 200 or len(found) == 3:
            break
        if isinstance(value, dict):
            pending.extend(list(value.values())[:64])
        elif isinstance(value, list):
            pending.extend(value[:64])
        elif isinstance(value, str) and " " in value.strip() and "://" not in value and not says_nothing(value):
            found.append(value.strip()[:400])
    return found


def _add(error: ServerError, field: NamedField) -> None:
    name = field.name.strip()
    if not name or len(name) > 200 or len(error.fields) >= _MAX_FIELDS or _NO_FIELD.search(name):
        return
    if field.structured and name.lower() in _NO_NAME:
        return
    if all(known.name != name for known in error.fields):
        field.name = name
        error.fields.append(field)


def _plain_text(text: str, error: ServerError) -> None:
    if "<" in text:
        for match in _XML_NAME.finditer(text):
            _add(error, NamedField(match[1]))
        found = [match[1].strip() for match in _XML_TEXT.finditer(text)][:8]
        error.messages.extend(piece for piece in found if piece and not _QUALIFIED_NAME.fullmatch(piece))
        if not found:
            error.messages.append(" ".join(_TAG.sub(" ", text[:20000]).split())[:1000])
    elif text.strip():
        error.messages.append(" ".join(text.split())[:1000])


class _Walk:
    """A bounded walk over the parsed error document, outermost first."""

    def __init__(self, error: ServerError, *, is_nested: bool = False) -> None:
        self.error = error
        self.is_nested = is_nested
        self.pending: list[tuple[Any, str, str]] = []

    def run(self, document: Any) -> None:
        self.pending.append((document, "", ""))
        nodes = 0
        while self.pending and nodes < _MAX_NODES:
            nodes += 1
            value, key, above = self.pending.pop(0)
            if isinstance(value, dict):
                self._object(value, key, above)
            elif isinstance(value, list):
                self._array(value, key, above)
            elif isinstance(value, str):
                self._message(value)

    def _message(self, text: str) -> None:
        text = text.strip()
        if text and text not in self.error.messages and len(self.error.messages) < 16:
            self.error.messages.append(text[:4000] if "{'" in text or '{"' in text else text[:1000])

    def _array(self, items: list[Any], key: str, above: str) -> None:
        if items and all(isinstance(item, str) for item in items) and key in _LISTS_OF_NAMES:
            for item in items[:_MAX_FIELDS]:
                _add(self.error, NamedField(item, above))
            return
        self.pending.extend((item, f"{key}[]", above) for item in items[:64] if isinstance(item, dict | list | str))

    def _object(self, value: dict[str, Any], key: str, above: str) -> None:
        lower = {name.lower(): item for name, item in list(value.items())[:128]}
        texts = [lower[name] for name in _MESSAGE_KEYS if isinstance(lower.get(name), str) and lower[name]]
        message = next((text for text in texts if not _PLAIN.fullmatch(text.strip())), texts[0] if texts else above)
        location = next(
            (
                _LOCATIONS[str(lower[name]).lower()]
                for name in ("in", "locationtype")
                if str(lower.get(name)).lower() in _LOCATIONS
            ),
            None,
        )
        for name in _FIELD_KEYS:
            self._field(name, lower.get(name), message[:1000], location, bool(key))
        if texts and key and isinstance(lower.get("name"), str) and "reason" in lower:
            _add(self.error, NamedField(lower["name"], message, location))
        for text in texts:
            self._message(text)
        if self.is_nested:
            self.pending.extend((item, name.lower(), message) for name, item in value.items() if isinstance(item, str))
            return
        if key in _MAPS_OF_FIELDS or (value and self._is_map_of_fields(value)):
            self._map(value, message, is_of_values=key in ("parameters", "params"))
        for name, item in value.items():
            if isinstance(item, dict | list):
                self.pending.append((item, name.lower(), message))
            elif isinstance(item, str) and name.lower() in ("error", "errors"):
                self._message(item)

    def _field(self, key: str, value: Any, message: str, location: str | None, nested: bool) -> None:
        if (
            isinstance(value, list)
            and value
            and all(isinstance(part, str | int) for part in value)
            and key in ("loc", "path", "instancepath")
        ):
            parts = [str(part) for part in value[:16]]
            if parts[0] in _LOCATIONS:
                location = _LOCATIONS[parts[0]]
                parts = parts[1:]
            if parts:
                _add(self.error, NamedField(".".join(parts), message, location))
        elif isinstance(value, str) and value and (nested or key not in ("path", "key", "target", "location")):
            if key in ("location", "key", "path", "target") and (
                " " in value or value.lower() in _LOCATIONS or "://" in value
            ):
                return
            if key == "header":
                location = "header"
            elif key in ("parameter",):
                location = location or "query"
            _add(self.error, NamedField(value, message, location))

    @staticmethod
    def _is_map_of_fields(value: dict[str, Any]) -> bool:
        return all(
            isinstance(item, list)
            and item
            and all(isinstance(text, str) for text in item)
            and name.lower() not in _ENVELOPE
            for name, item in value.items()
        )

    def _map(self, value: dict[str, Any], message: str, *, is_of_values: bool = False) -> None:
        for name, item in list(value.items())[:_MAX_FIELDS]:
            if name.lower() in _ENVELOPE or name.lower() in _FIELD_KEYS:
                continue
            first = item[0] if isinstance(item, list) and item else item
            if isinstance(first, dict):
                first = next(
                    (first[key] for key in ("message", "detail", "code", "error") if isinstance(first.get(key), str)),
                    "",
                )
            if isinstance(first, str):
                _add(
                    self.error,
                    NamedField(name, message if is_of_values and isinstance(item, list) else first or message),
                )
