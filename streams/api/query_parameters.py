"""The query parameters of each endpoint as types, which parse a request and document it in OpenAPI."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from streams.api.choices import SortKey, State, WindowName
from streams.api.problems import raise_problem

__all__ = ["QuarantineQuery", "RatesQuery", "TargetQuery", "parse_time", "read_query"]

Limit = Annotated[int, Meta(ge=1, le=1000, description="Most entries of the page.")]
Offset = Annotated[int, Meta(ge=0, le=10**9, description="Entries before the page.")]


class TargetQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the list of targets."""

    prefix: Annotated[str, Meta(description="Only targets whose name begins with this.")] = ""
    quarantined: Annotated[
        bool | UnsetType, Meta(description="Only targets with (true) or without (false) a quarantine in force.")
    ] = UNSET
    window: Annotated[WindowName, Meta(description="The window to show and to sort by; it ends now.")] = "5m"
    sort: Annotated[
        SortKey,
        Meta(description="What to sort by; with a minus, the greatest first. Targets without a value come last."),
    ] = "target"
    limit: Limit = 100
    offset: Offset = 0


class RatesQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of one target's rates."""

    window: Annotated[
        list[WindowName], Meta(description="The windows to count; repeat it, or separate by commas. Default: all.")
    ] = []
    at: Annotated[
        str | UnsetType,
        Meta(
            description="End of the windows: milliseconds since the Unix epoch, or RFC 3339 with offset. Default: now.",
            examples=["1765432100000", "2026-01-31T12:00:00Z"],
            extra_json_schema={"anyOf": [{"pattern": "^[0-9]{1,14}$"}, {"format": "date-time"}]},
        ),
    ] = UNSET


class QuarantineQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the list of quarantines."""

    state: Annotated[
        list[State],
        Meta(description="Only these states; repeat it, or separate by commas. Default: quarantined and probing."),
    ] = []
    expired: Annotated[bool, Meta(description="Also those past their `expires_at`, which are no longer in force.")] = (
        False
    )
    target: Annotated[str | UnsetType, Meta(description="Only on this target.")] = UNSET
    job_id: Annotated[str | UnsetType, Meta(description="Only of this job.")] = UNSET
    limit: Limit = 100
    offset: Offset = 0


_Query = TypeVar("_Query", TargetQuery, RatesQuery, QuarantineQuery)


def read_query(request: web.Request, query: type[_Query]) -> _Query:
    """Parse the query string as `query`; an unknown, repeated or wrong parameter is a 400 that says what is allowed."""
    hints = get_type_hints(query)
    lists = {name for name, hint in hints.items() if getattr(hint, "__origin__", None) is list}
    found: dict[str, Any] = {}
    for name in dict.fromkeys(request.query):
        texts = request.query.getall(name)
        if name not in hints:
            raise_problem(
                400,
                "bad_parameter",
                f"There is no parameter {name!r} here.",
                f"Use {', '.join(hints)}.",
                parameter=name,
                allowed=list(hints),
            )
        if name in lists:
            found[name] = [part for text in texts for part in text.split(",")]
        elif len(texts) > 1:
            raise_problem(400, "bad_parameter", f"{name} is given {len(texts)} times.", "Give it once.", parameter=name)
        else:
            found[name] = texts[0]
    try:
        return msgspec.convert(found, query, strict=False)
    except msgspec.ValidationError as error:
        place = re.search(r"\$\.(\w+)", str(error))
        name = place[1] if place else next(iter(found))
        allowed = [str(value) for value in _choices(hints[name])]
        reason = str(error).split(" - at ")[0]
        raise_problem(
            400,
            "bad_parameter",
            f"{name}={','.join(request.query.getall(name))}: {reason}.",
            f"Choose {'from' if name in lists else 'one of'} {', '.join(allowed)}." if allowed else "Correct it.",
            parameter=name,
            allowed=allowed or None,
        )


def parse_time(text: str) -> int:
    """Parse milliseconds since the Unix epoch, or RFC 3339 with an offset, to milliseconds.

    Raises
    ------
    ValueError
        It is neither, or is before 1970.
    """
    if re.fullmatch(r"[0-9]{1,14}", text):
        time_ms = int(text)
    else:
        # An unescaped + of a query string arrives as a space.
        try:
            moment = datetime.fromisoformat(re.sub(r"(:[0-9.]+) (\d\d:\d\d)$", r"\1+\2", text))
        except ValueError:
            raise ValueError(f"{text!r} is no time") from None
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} has no UTC offset; add Z for UTC")
        time_ms = int(moment.astimezone(UTC).timestamp() * 1000)
    if time_ms < 0:
        raise ValueError(f"{text!r} is before 1970")
    return time_ms


def _choices(hint: Any) -> tuple[Any, ...]:
    if getattr(hint, "__origin__", None) is list:
        return _choices(get_args(hint)[0])
    return get_args(hint) if getattr(hint, "__origin__", None) is Literal else ()
