"""The query parameters of each endpoint as types, which parse a request and document it in OpenAPI."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from halt400.records import Cause
from streams.api.choices import DlqName, SortKey, SpanName, State, StepName, WindowName
from streams.api.problems import raise_problem
from streams.detection.findings import FindingKind, Severity

__all__ = [
    "AlertQuery",
    "CommandQuery",
    "DeadLetterQuery",
    "EventQuery",
    "FindingQuery",
    "IncidentQuery",
    "OffenceQuery",
    "PolicyQuery",
    "QuarantineQuery",
    "RatesQuery",
    "RouteQuery",
    "SeriesQuery",
    "TargetQuery",
    "between",
    "parse_time",
    "read_query",
    "time_parameter",
]

Limit = Annotated[int, Meta(ge=1, le=1000, description="Most entries of the page.")]
Offset = Annotated[int, Meta(ge=0, le=10**9, description="Entries before the page.")]
OnTarget = Annotated[str | UnsetType, Meta(description="Only on this target.")]
OfJob = Annotated[str | UnsetType, Meta(description="Only of this job.")]


def _time(meaning: str) -> Meta:
    return Meta(
        description=f"{meaning}: milliseconds since the Unix epoch, or RFC 3339 with offset.",
        examples=["1765432100000", "2026-01-31T12:00:00Z"],
        extra_json_schema={"anyOf": [{"pattern": "^[0-9]{1,14}$"}, {"format": "date-time"}]},
    )


At = Annotated[str | UnsetType, _time("End of what is counted, now where it is not given")]
Since = Annotated[str | UnsetType, _time("Only from this time on")]
Until = Annotated[str | UnsetType, _time("Only before this time")]


class TargetQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the list of targets."""

    prefix: Annotated[str, Meta(description="Only targets whose name begins with this.")] = ""
    search: Annotated[str, Meta(description="Only targets whose name has this in it; case is ignored.")] = ""
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
    at: At = UNSET


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


class SeriesQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of one target's counts over time."""

    span: Annotated[SpanName, Meta(description="How far back.")] = "1h"
    step: Annotated[
        StepName | UnsetType,
        Meta(description="Length of one step. Default: 5s, 1m, 5m or 15m, by the span; at least 1m beyond 20 minutes."),
    ] = UNSET
    at: At = UNSET


class CommandQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the commands that are still known: the history of the quarantines."""

    scope: Annotated[
        str | UnsetType, Meta(description="Only of this scope, such as `job/api.shop.example/extract-099`.")
    ] = UNSET
    target: OnTarget = UNSET
    job_id: OfJob = UNSET
    state: Annotated[list[State], Meta(description="Only these states; repeat it, or separate by commas.")] = []
    since: Since = UNSET
    until: Until = UNSET
    limit: Limit = 100
    offset: Offset = 0


class OffenceQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the recent offences."""

    target: OnTarget = UNSET
    job_id: OfJob = UNSET
    cause: Annotated[Cause | UnsetType, Meta(description="Only with this diagnosed cause.")] = UNSET
    command_id: Annotated[str | UnsetType, Meta(description="Only those of this command.")] = UNSET
    opens: Annotated[
        bool | UnsetType, Meta(description="Only those for which a command was issued (true), or not (false).")
    ] = UNSET
    since: Since = UNSET
    until: Until = UNSET
    limit: Limit = 100
    offset: Offset = 0


class FindingQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the recent findings."""

    kind: Annotated[list[FindingKind], Meta(description="Only these kinds; repeat it, or separate by commas.")] = []
    severity: Annotated[Severity | UnsetType, Meta(description="Only of this severity.")] = UNSET
    target: OnTarget = UNSET
    job_id: OfJob = UNSET
    since: Since = UNSET
    until: Until = UNSET
    limit: Limit = 100
    offset: Offset = 0


class DeadLetterQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the recent dead letters."""

    topic: Annotated[list[DlqName], Meta(description="Only of this topic; repeat it, or separate by commas.")] = []
    error: Annotated[str | UnsetType, Meta(description="Only with this code, such as `invalid_event`.")] = UNSET
    key: Annotated[str | UnsetType, Meta(description="Only records with this key.")] = UNSET
    since: Since = UNSET
    until: Until = UNSET
    limit: Limit = 100
    offset: Offset = 0


class IncidentQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the incidents."""

    state: Annotated[Literal["open", "closed", "all"], Meta(description="A closed incident is kept for a day.")] = (
        "open"
    )
    target: OnTarget = UNSET
    cause: Annotated[str | UnsetType, Meta(description="Only of this cause, or kind of finding.")] = UNSET
    limit: Limit = 100
    offset: Offset = 0


class AlertQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of what was sent."""

    target: OnTarget = UNSET
    sink: Annotated[str | UnsetType, Meta(description="Only to this sink.")] = UNSET
    undelivered: Annotated[
        bool | UnsetType, Meta(description="Only what no sink accepted (true), or what was accepted (false).")
    ] = UNSET
    limit: Limit = 100
    offset: Offset = 0


class RouteQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the alerts' routes."""

    target: Annotated[str | UnsetType, Meta(description="Also what a quarantine on this target would be sent to.")] = (
        UNSET
    )
    job_id: Annotated[str | UnsetType, Meta(description="Of one job of the target; without it, of all of it.")] = UNSET


class PolicyQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the policies in force."""

    target: Annotated[str | UnsetType, Meta(description="The target whose rule is wanted.")] = UNSET


class WhatIfQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of what another rule would have done."""

    target: Annotated[str, Meta(min_length=1, max_length=255, description="The target.")]
    policy: Annotated[
        Literal["strict", "evidence"] | UnsetType, Meta(description="Another policy than that of its rule.")
    ] = UNSET
    job_tier: Annotated[
        Literal["ticket", "page"] | UnsetType, Meta(description="Another tier at which a job is quarantined.")
    ] = UNSET
    hold_s: Annotated[
        Annotated[int, Meta(ge=1, le=31_536_000)] | UnsetType, Meta(description="Another hold, seconds.")
    ] = UNSET
    least_p0: Annotated[
        Annotated[float, Meta(ge=1e-7, le=0.5)] | UnsetType, Meta(description="Another floor of the null ratio.")
    ] = UNSET
    hours: Annotated[int, Meta(ge=1, le=72, description="How far back.")] = 24


class EventQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Query of the event stream."""

    kind: Annotated[
        list[Literal["quarantine", "incident", "offence", "finding", "dead_letter", "targets"]],
        Meta(description="Only these events, and `status`, `more` and `reload`; repeat it, or separate by commas."),
    ] = []
    target: OnTarget = UNSET


_Query = TypeVar("_Query", bound=Struct)


@cache
def _hints_of(query: type[Struct]) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of the parameters, and the names of those that are lists."""
    hints = get_type_hints(query)
    return hints, frozenset(name for name, hint in hints.items() if getattr(hint, "__origin__", None) is list)


def read_query(request: web.Request, query: type[_Query]) -> _Query:
    """Parse the query string as `query`; an unknown, repeated or wrong parameter is a 400 that says what is allowed."""
    hints, lists = _hints_of(query)
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
        place = re.search(r"\$\.(\w+)|required field `(\w+)`", str(error))
        name = (place[1] or place[2]) if place else next(iter(found))
        allowed = [str(value) for value in _choices(hints[name])]
        reason = str(error).split(" - at ")[0]
        raise_problem(
            400,
            "bad_parameter",
            f"{name}={','.join(request.query.getall(name, []))}: {reason}.",
            f"Choose {'from' if name in lists else 'one of'} {', '.join(allowed)}." if allowed else "Correct it.",
            parameter=name,
            allowed=allowed or None,
        )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d:)60")


def parse_time(text: str) -> int:
    """Parse milliseconds since the Unix epoch, or RFC 3339 with an offset, to milliseconds; 0 for before 1970.

    Raises
    ------
    ValueError
        It is neither.
    """
    if re.fullmatch(r"[0-9]{1,14}", text):
        time_ms = int(text)
    else:
        # An unescaped + of a query string arrives as a space.
        try:
            found = re.sub(r"(:[0-9.]+) (\d\d:\d\d)$", r"\1+\2", text)
            moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\g<1>59", found))
        except ValueError:
            raise ValueError(f"{text!r} is no time") from None
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} has no UTC offset; add Z for UTC")
        # Not by astimezone, which fails near the years 1 and 9999.
        time_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    return max(0, time_ms)


def time_parameter(text: str, name: str) -> int:
    """Parse a parameter that is a time, to milliseconds; what is none is a 400."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise_problem(
            400,
            "bad_parameter",
            f"{name}: {error}.",
            "Give milliseconds since the Unix epoch, or RFC 3339 such as 2026-01-31T12:00:00Z.",
            parameter=name,
        )


def between(since: str | UnsetType, until: str | UnsetType) -> Callable[[int], bool]:
    """Return whether a time, milliseconds, is in [since, until); what is no time is a 400."""
    first = 0 if since is UNSET else time_parameter(since, "since")
    end = None if until is UNSET else time_parameter(until, "until")
    return lambda time_ms: first <= time_ms and (end is None or time_ms < end)


def _choices(hint: Any) -> tuple[Any, ...]:
    if getattr(hint, "__origin__", None) is list:
        return _choices(get_args(hint)[0])
    return get_args(hint) if getattr(hint, "__origin__", None) is Literal else ()
