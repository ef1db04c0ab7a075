"""Read the error codes of a response as codes: wherever a protocol or a well-known API puts them.

AWS JSON (``__type``, ``x-amzn-errortype``) and XML (``<Code>``), OAuth 2 (``error``, ``WWW-Authenticate``), Google
(``reason``, ``status``), problem details (``type``), GraphQL (``extensions.code``), SOAP (``faultcode``), gRPC
(``grpc-status``), and the many that write ``code``, ``errorCode``, ``error_code`` or a bare identifier. What the codes
mean is in `code_meanings`.

Sources: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization,
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html#operation-error-serialization, RFC 6749 section 5.2, RFC
6750 section 3, RFC 9457, https://google.aip.dev/193, https://github.com/grpc/grpc/blob/master/doc/statuscodes.md,
https://www.w3.org/TR/soap12-part1/#faultcodeelement.
"""

# ruff: noqa: E501 - a table of expressions reads best with one entry a line
from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.lazy_patterns import lazy_pattern

__all__ = ["ErrorCode", "code_key", "read_error_codes"]

_MAX_NODES = 300
_MAX_CODES = 24
_CODE_KEYS = frozenset(
    {"__type", "code", "codes", "error", "errorcode", "errorcodes", "exceptioncode", "errcode", "type", "status", "reason",
     "category", "errortype", "errorsubcode", "exception", "errorkey", "errorid", "key", "faultcode", "subtype",
     "name", "tag", "exceptiontype", "retcode", "ret", "errno", "result", "identifier", "slug"}
)  # fmt: skip
"""Names of members that hold a code, without ``_``, ``-`` and ``.``, in lower case."""
_TEXT_KEYS = frozenset({"message", "errormessage", "detail", "msg"})
"""Members for people, in which some APIs write a bare code (``"message": "TOKEN_EXPIRED"``)."""
_IDENTIFIER = lazy_pattern(r"/?[A-Za-z_][\w.:/#@-]{2,119}")
_SCREAMING = lazy_pattern(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=$|\s*[:.])")
_SNAKE = lazy_pattern(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_CAMEL = lazy_pattern(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")
_XML_CODE = lazy_pattern(
    r"<(?:\w{1,20}:)?(?:code|errorcode|faultcode|value|exceptioncode)(?:\s[^>]{0,200})?>\s{0,40}([\w.:/#-]{2,100})\s{0,40}<",
    re.IGNORECASE,
)
_CHALLENGE = lazy_pattern(r'\berror\s?=\s?"?([\w.-]{3,60})', re.IGNORECASE)
_HEADERS = ("x-amzn-errortype", "x-amzn-error-type", "x-amz-error-code", "x-ms-error-code", "x-error-code", "x-mashery-error-code")  # fmt: skip
_ENTRA = lazy_pattern(r"\bAADSTS(\d{4,8})\b")
_GRPC = {"7": "PERMISSION_DENIED", "8": "RESOURCE_EXHAUSTED", "14": "UNAVAILABLE", "16": "UNAUTHENTICATED"}
_FORM_CODE = lazy_pattern(r"(?:^|[&\s])(?:error|oauth_problem)=([\w.-]{3,60})(?:&|$)")
_NOT_LETTERS = lazy_pattern(r"[^a-z0-9]+")
_SUFFIXES = ("exception", "error", "fault")


class ErrorCode(Struct, frozen=True):
    """One code of a response.

    Attributes
    ----------
    value
        As the server writes it; of a number its digits.
    where, name
        As on `Evidence`: response_header or response_body, and the header's or member's name.
    beside
        The members of the object that holds it: they tell whose numbers these are.
    """

    value: str
    where: str
    name: str
    beside: dict[str, Any]

    @property
    def is_number(self) -> bool:
        """Whether it is a number, which only means something where the API is known."""
        return self.value.lstrip("-").isdigit()


def code_key(value: str) -> str:
    """The code without namespace, case, separators and the suffix of its class.

    Examples
    --------
    >>> code_key("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
    'provisionedthroughputexceeded'
    >>> code_key("urn:ietf:params:acme:error:badNonce"), code_key("RATE_LIMIT_EXCEEDED")
    ('badnonce', 'ratelimitexceeded')
    """
    if value.startswith(("urn:", "http:", "https:", "/")) or "#" in value:
        value = re.split(r"[#/:]", value.rstrip("/"))[-1]
    elif ":" in value:
        value = value.rpartition(":")[2]
    key = _NOT_LETTERS.sub("", value.lower())
    for suffix in _SUFFIXES:
        if key.endswith(suffix) and len(key) > len(suffix) + 3:
            return key.removesuffix(suffix)
    return key


def read_error_codes(exchange: Exchange) -> list[ErrorCode]:
    """The codes of a response, those of its headers first, then those of its body from the outermost inwards.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> body = '{"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}'
    >>> found = read_error_codes(Exchange(Request(method="GET", url="https://a.example/"), Response(status=400, body=body)))
    >>> [(code.name, code.value) for code in found]
    [('error.code', '400'), ('error.details.reason', 'API_KEY_INVALID')]
    """
    cache = exchange.parsed_response.cache
    known: list[ErrorCode] | None = cache.get("error codes")
    if known is None:
        known = cache["error codes"] = _read(exchange)
    return known


def _read(exchange: Exchange) -> list[ErrorCode]:
    found: list[ErrorCode] = []
    fields = exchange.response_fields
    # "ThrottlingException:http://internal.amazon.com/..." and "Type,Subtype"
    found.extend(
        ErrorCode(re.split(r"[:,;]", fields[header][0])[0].strip()[:120], "response_header", header, {})
        for header in _HEADERS
        if header in fields
    )
    for challenge in fields.get("www-authenticate", ())[:4]:
        match = _CHALLENGE.search(challenge[:1000])
        if match is not None:
            found.append(ErrorCode(match[1], "response_header", "WWW-Authenticate", {}))
    grpc = _GRPC.get(fields.get("grpc-status", [""])[0].strip())
    if grpc is not None:
        found.append(ErrorCode(grpc, "response_header", "grpc-status", {}))
    document = exchange.response_json
    if document is not None:
        _walk(document, found)
    else:
        _from_text(exchange.response_text[:16_384], found)
    entra = _ENTRA.search(exchange.response_text[:4096])
    if entra is not None:
        found.insert(0, ErrorCode(f"AADSTS{entra[1]}", "response_body", "error_codes", {}))
    return found[:_MAX_CODES]


def _from_text(text: str, found: list[ErrorCode]) -> None:
    if "<" in text:
        for match in _XML_CODE.finditer(text):
            if len(found) < _MAX_CODES:
                found.append(ErrorCode(match[1], "response_body", "Code", {}))
        return
    text = text.strip()
    form = _FORM_CODE.search(text)
    if form is not None:
        found.append(ErrorCode(form[1], "response_body", "error", {}))
    elif _IDENTIFIER.fullmatch(text):
        found.append(ErrorCode(text, "response_body", "body", {}))


def _walk(document: Any, found: list[ErrorCode]) -> None:
    pending: list[tuple[Any, str]] = [(document, "")]
    for count, (value, path) in enumerate(pending):
        if count >= _MAX_NODES or len(found) >= _MAX_CODES:
            return
        if isinstance(value, list):
            pending.extend((item, path) for item in value[:32] if isinstance(item, dict | list))
            found.extend(_in_list(value[:8], path, document))
        elif isinstance(value, dict):
            for key, item in list(value.items())[:64]:
                name = f"{path}.{key}" if path else key
                if isinstance(item, dict | list):
                    pending.append((item, name))
                    if isinstance(item, dict) and _NOT_LETTERS.sub("", key.lower()) == "errorcode":
                        found.extend(ErrorCode(text, "response_body", f"{name}.{kind}", item) for kind, text in item.items() if isinstance(text, str) and _IDENTIFIER.fullmatch(text))  # fmt: skip
                else:
                    code = _code(key, item)
                    if code is not None:
                        found.append(ErrorCode(code, "response_body", name[:120], value))


def _in_list(items: list[Any], path: str, document: Any) -> list[ErrorCode]:
    """A list of bare codes, as in ``{"errors": ["rate_limited"]}``."""
    beside = document if isinstance(document, dict) else {}
    return [
        ErrorCode(item, "response_body", path[:120], beside)
        for item in items
        if isinstance(item, str) and (_SNAKE.fullmatch(item) or _SCREAMING.fullmatch(item))
    ]


def _code(key: str, item: Any) -> str | None:
    plain = _NOT_LETTERS.sub("", key.lower())
    if plain in _CODE_KEYS:
        if isinstance(item, str):
            item = item.strip()
            return item if _IDENTIFIER.fullmatch(item) or item.lstrip("-").isdigit() else None
        return str(item) if isinstance(item, int) and not isinstance(item, bool) else None
    if plain in _TEXT_KEYS and isinstance(item, str):
        form = _FORM_CODE.match(item)
        if form is not None:
            return form[1]
        match = _SCREAMING.match(item) or _SNAKE.fullmatch(item) or (_CAMEL.search(item) if len(item) < 60 else None)
        return match[0] if match is not None else None
    return None
