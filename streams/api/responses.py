"""The HTTP responses of answers: JSON, with headers that say how old the data is."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web

from streams.api.models import Answer

__all__ = ["AS_OF", "JSON", "json_response", "next_page", "page_of"]

JSON = "application/json"
AS_OF = "Halt400-As-Of"

T = TypeVar("T")


def json_response(
    answer: msgspec.Struct, status: int = 200, *, as_of: int | None = None, now_ms: int | None = None
) -> web.Response:
    """Encode an answer.

    Parameters
    ----------
    as_of
        The answer includes what was written by this time, milliseconds since the epoch; that of an `Answer` where None.
    now_ms
        The current time; with it, the header Age (seconds, RFC 9111) is set too.
    """
    headers = {}
    if as_of is None and isinstance(answer, Answer):
        as_of = answer.as_of
    if as_of is not None:
        headers[AS_OF] = str(as_of)
        if now_ms is not None:
            headers["Age"] = str(max(0, now_ms - as_of) // 1000)
    body = orjson.dumps(msgspec.to_builtins(answer))
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def next_page(request: web.Request, offset: int, total: int) -> str | None:
    """Return the address of the page that begins at `offset`; None where nothing is left."""
    return str(request.rel_url.update_query(offset=offset)) if offset < total else None


def page_of(request: web.Request, query: Any, found: Sequence[T]) -> tuple[dict[str, Any], Sequence[T]]:
    """Return the fields of a page besides its age, and the entries that are on it."""
    end = query.offset + query.limit
    fields = {
        "total": len(found),
        "limit": query.limit,
        "offset": query.offset,
        "next": next_page(request, end, len(found)),
    }
    return fields, found[query.offset : end]
