"""Builds the OpenAPI 3.1 document of the API from the endpoints' declarations and the types of their answers."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from halt400.record_fields import FIELDS, describe
from streams.api import models as answers
from streams.api.endpoints import ENDPOINTS, Endpoint
from streams.api.problems import PROBLEM_JSON, TITLES

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{name}"
_PROBLEM_DESCRIPTIONS = {
    400: "A parameter is wrong.",
    401: "The token is missing or wrong.",
    404: "It is not known, or its counts are no longer kept.",
    405: "Only GET and HEAD are served.",
    500: "The answer could not be made.",
    503: "This process has not read its Kafka topics to the end yet.",
}
_DESCRIPTION = """\
The rates of every target, and the quarantines. Read-only; any process answers for any target from its own memory, a \
second or two behind the responses.

Times are integers in milliseconds since the Unix epoch (UTC), ratios are 0-1 and null where there were no responses, \
windows are [start, end). Every error is an RFC 9457 problem document with a stable `code`."""


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document, which is shared: do not change it."""
    types = {endpoint.answer for endpoint in ENDPOINTS if endpoint.answer is not None}
    ordered = sorted(types | {answers.Problem}, key=lambda found: found.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    describe(components)
    for name, meaning in FIELDS["Command"].items():
        components["Quarantine"]["properties"][name].setdefault("description", meaning)
    components["Problem"]["properties"]["code"]["enum"] = list(TITLES)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Halt400",
            "version": version("halt400"),
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "http://127.0.0.1:8400", "description": "The default address."}],
        "security": [{}, {"token": []}],
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in ENDPOINTS},
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
                "token": {"type": "http", "scheme": "bearer", "description": "HALT400_API_TOKEN, where it is set."}
            },
        },
    }


_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750."}},
    405: {"Allow": {"schema": {"type": "string"}, "description": "The allowed methods."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    schema = {"type": "object"} if endpoint.answer is None else {"$ref": _REF.format(name=endpoint.answer.__name__)}
    content = {"application/json": {"schema": schema}}
    problems = (
        {*endpoint.problems, 405, 500} | ({503} if endpoint.data else set()) | (set() if endpoint.open else {401})
    )
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
        + (_query_parameters(endpoint.query) if endpoint.query is not None else []),
        "responses": dict(sorted(responses.items())),
    }
    if endpoint.open:
        operation["security"] = []
    return operation


def _query_parameters(query: type[Struct]) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([query], ref_template=_REF)
    parameters = []
    for name, schema in components[query.__name__]["properties"].items():
        described = dict(schema)
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": described.pop("description"),
                "schema": described,
            }
        )
    return parameters
