"""Reads the JSON body of a request as a type; what is wrong is a problem that names the field."""

import re
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from streams.api.problems import raise_problem

__all__ = ["MOST_BODY_BYTES", "read_body"]

MOST_BODY_BYTES = 64 * 1024

B = TypeVar("B", bound=Struct)


async def read_body(request: web.Request, kind: type[B]) -> B:
    """Read the body, at most 64 KiB of JSON."""
    if request.content_type != "application/json":
        raise_problem(
            415,
            "not_json",
            f"The body is {request.headers.get('Content-Type', 'of no type')[:100]}.",
            "Send JSON, with `Content-Type: application/json`.",
            headers={"Accept": "application/json"},
        )
    data = await request.read()
    try:
        return msgspec.convert(_whole_numbers(msgspec.json.decode(data)), kind)
    except msgspec.ValidationError as error:
        place = re.search(r"\$\.(\w+)", str(error)) or re.search(r"field `(\w+)`", str(error))
        raise_problem(
            400,
            "bad_body",
            f"{str(error).split(' - at ')[0]}{f': {place[1]}' if place else ''}.",
            f"It has the fields {', '.join(field.name for field in msgspec.structs.fields(kind))}.",
            parameter=place[1] if place else None,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise_problem(400, "bad_body", f"The body is no JSON ({error}).", "Send a JSON object.")


def _whole_numbers(body: object) -> object:
    """Make an integer of each field like ``1.0``, which is one in JSON Schema, and a float to the decoder."""
    if not isinstance(body, dict):
        return body
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in body.items()
    }
