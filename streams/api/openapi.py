"""Builds the OpenAPI 3.1 document of the API from the endpoints' declarations and the types of their answers."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from halt400.record_fields import FIELDS, describe
from streams.api import models as answers
from streams.api.access.sessions import COOKIE
from streams.api.endpoints import ENDPOINTS, Endpoint
from streams.api.problems import PROBLEM_JSON, TITLES

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{name}"
_PROBLEM_DESCRIPTIONS = {
    400: "A parameter, a header or the body is wrong.",
    401: "The token is missing or wrong.",
    403: "The role is missing, or another site's page sends this.",
    404: "It is not known, or its counts are no longer kept.",
    405: "This method is not served here.",
    409: "There is nothing to do.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The host is not served here.",
    422: "The Idempotency-Key came with another body.",
    429: "Too many requests.",
    431: "The address or a header is too long.",
    500: "The answer could not be made.",
    503: "This process has not read its Kafka topics to the end yet, or Kafka does not answer.",
    504: "It was sent, and no worker has carried it out in time.",
}
_DESCRIPTION = """\
All that is known of every target, and what an operator does about it. Any process answers for any target from its own \
memory, a second or two behind the responses.

On loopback no token is needed where none is configured. What changes something needs the role operate.

Times are integers in milliseconds since the Unix epoch (UTC), ratios are 0-1 and null where there were no responses, \
windows are [start, end). Every error is an RFC 9457 problem document with a stable `code`."""


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document, which is shared: do not change it."""
    types = {kind for endpoint in ENDPOINTS for kind in (endpoint.answer, endpoint.body) if kind is not None}
    ordered = sorted(types | {answers.Problem}, key=lambda found: found.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    describe(components)
    for name, meaning in FIELDS["Command"].items():
        components["Quarantine"]["properties"][name].setdefault("description", meaning)
    components["OperationBody"]["allOf"] = [_HOLD_OF_EXTEND_AND_QUARANTINE]
    components["RedriveBody"]["anyOf"] = _NAMES_LETTERS
    components["Problem"]["properties"]["code"]["enum"] = list(TITLES)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Halt400",
            "version": version("halt400"),
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "http://127.0.0.1:8400", "description": "The default address."}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": _paths(),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {
                f"Problem{status}": {
                    "description": meaning,
                    "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="Problem")}}},
                    **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
                }
                for status, meaning in sorted(_PROBLEM_DESCRIPTIONS.items())
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "One of HALT400_API_TOKENS."},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of /v1/session."},
            },
        },
    }


_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750."}},
    405: {"Allow": {"schema": {"type": "string"}, "description": "The allowed methods."}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


_HOLD_OF_EXTEND_AND_QUARANTINE = {
    "if": {"properties": {"kind": {"enum": ["release", "probe"]}}},
    "then": {"properties": {"hold_s": {"type": "null"}}},
}
_NAMES_LETTERS = [
    {"required": [name], "properties": {name: wanted}}
    for name, wanted in (("ids", {"minItems": 1}), ("error", {"type": "string"}), ("all", {"const": True}))
]
_HEADER = {"type": "string", "minLength": 1, "maxLength": 255}


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return paths


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    text = {"type": "object" if endpoint.media_type == "application/json" else "string"}
    schema = text if endpoint.answer is None else {"$ref": _REF.format(name=endpoint.answer.__name__)}
    content = {endpoint.media_type: {"schema": schema}}
    problems = {*endpoint.problems, 400, 403, 405, 421, 429, 431, 500}
    problems |= ({503} if endpoint.data else set()) | (set() if endpoint.open else {401})
    problems |= {413, 415} if endpoint.body is not None else set()
    responses: dict[str, Any] = {"200": {"description": endpoint.summary, "content": content}}
    responses |= {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(problems)}
    if endpoint.answer is answers.Readiness:
        responses["503"] = {"description": "Not yet, or no longer.", "content": content}
    operation: dict[str, Any] = {
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": meaning,
                "schema": {"type": "string", "minLength": 1},
            }
            for name, meaning in endpoint.parameters.items()
        ]
        + [
            {"name": name, "in": "header", "required": False, "description": meaning, "schema": _HEADER}
            for name, meaning in endpoint.headers.items()
        ]
        + (_query_parameters(endpoint.query) if endpoint.query is not None else []),
        "responses": dict(sorted(responses.items())),
    }
    if endpoint.body is not None:
        body = {"application/json": {"schema": {"$ref": _REF.format(name=endpoint.body.__name__)}}}
        operation["requestBody"] = {"required": True, "content": body}
    if endpoint.open:
        operation["security"] = []
    return operation


def _query_parameters(query: type[Struct]) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([query], ref_template=_REF)
    parameters = []
    required = components[query.__name__].get("required", ())
    for name, schema in components[query.__name__]["properties"].items():
        described = dict(schema)
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": described.pop("description"),
                "schema": described,
            }
        )
    return parameters
