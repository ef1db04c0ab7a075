"""The section ``[alerts]`` of ``halt400.toml``: sinks, routes, owners; an error names the line, the key and the value.

docs/alerts.md lists what the section may contain.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, time, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from streams.alerts.delivery import Sink
from streams.alerts.routing import Owner, QuietHours, Route, Routing
from streams.alerts.sink_settings import SINK_KINDS, SinkSettings, StdoutSettings, make_sink, renewal_s
from streams.detection.findings import Severity
from streams.toml_file import Place, TomlFile

__all__ = [
    "NO_ALERTS",
    "AlertsConfig",
    "OwnerTable",
    "RouteTable",
    "has_alerts",
    "load_alerts",
    "parse_alerts",
]

NO_ALERTS = (
    "No alerts are sent: halt400.toml has no section [alerts]. That line alone writes alerts to the worker's output; "
    "docs/alerts.md has PagerDuty, Slack, mail and the rest; `halt400 alerts test` tries them."
)

Patterns = str | tuple[str, ...]
Seconds = Annotated[float, Meta(ge=0, le=604_800)]
STDOUT = "stdout"

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class RouteTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[alerts.route]]`` as the file has it; see `streams.alerts.routing.Route`."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sinks: Annotated[list[str], Meta(min_length=1)]
    target: Patterns = "*"
    severity: Severity | tuple[Severity, ...] = ("page", "ticket")
    owner: Patterns = ()
    cause: Patterns = "*"
    page_on: tuple[Literal["request", "job", "target"], ...] = ("target",)
    group_wait_s: Seconds = 30.0
    group_interval_s: Seconds = 300.0
    updates: bool = True
    quiet_hours: str | None = None
    timezone: str = "UTC"
    escalate_to: str | None = None
    escalate_after_s: Seconds = 900.0
    direct: bool = True


class OwnerTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[alerts.owner]]`` as the file has it."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    target: Patterns = "*"
    job: Patterns = "*"
    cause: Patterns = "*"


class _AlertsTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    sink: dict[str, Any] = {}
    route: list[Any] = []
    owner: list[Any] = []


@dataclass(frozen=True)
class AlertsConfig:
    """The section, checked. Without sinks and routes everything goes to standard output."""

    routing: Routing
    sinks: Mapping[str, SinkSettings]
    source: TomlFile

    def make_sinks(self, environ: Mapping[str, str]) -> dict[str, Sink]:
        """Make every sink, with the secrets that `environ` and files hold.

        Raises
        ------
        SettingError
            When a secret is missing or wrong.
        """
        return {name: make_sink(name, settings, self.source, environ) for name, settings in self.sinks.items()}

    @asynccontextmanager
    async def open_sinks(self, environ: Mapping[str, str]) -> AsyncIterator[dict[str, Sink]]:
        """Make every sink, and close them at the end."""
        sinks = self.make_sinks(environ)
        try:
            yield sinks
        finally:
            await asyncio.gather(*(sink.close() for sink in sinks.values()))


def has_alerts(path: Path | None) -> bool:
    """Whether a file has the section; `NO_ALERTS` is the message where it has not.

    Raises
    ------
    SettingError
        When the file cannot be read or is not TOML.
    """
    return path is not None and "alerts" in TomlFile.read(path).document


def load_alerts(path: Path | None) -> AlertsConfig:
    """Read the section from a file; None stands for an empty one.

    Raises
    ------
    SettingError
        When the file cannot be read or something in it is wrong.
    """
    return parse_alerts(TomlFile.read(path) if path is not None else TomlFile("halt400.toml", ""))


def parse_alerts(source: TomlFile) -> AlertsConfig:
    """Check the section ``[alerts]`` of a parsed file.

    Raises
    ------
    SettingError
        When something in it is wrong.
    """
    table = _convert(source, source.document.get("alerts", {}), _AlertsTable, ("alerts",))
    sinks: dict[str, SinkSettings] = {
        name: _convert(source, found, SinkSettings, ("alerts", "sink", name)) for name, found in table.sink.items()
    }
    owners = tuple(
        Owner(found.name, _patterns(found.target), _patterns(found.job), _patterns(found.cause))
        for index, value in enumerate(table.owner)
        for found in [_convert(source, value, OwnerTable, ("alerts", "owner", index))]
    )
    tables = [
        _convert(source, value, RouteTable, ("alerts", "route", index)) for index, value in enumerate(table.route)
    ]
    routes = tuple(_route(source, found, ("alerts", "route", index)) for index, found in enumerate(tables))
    if not sinks and not routes:
        sinks, routes = {STDOUT: StdoutSettings()}, (Route(STDOUT, (STDOUT,)),)
    _check_names(source, sinks, routes, owners)
    _check_escalations(source, routes)
    renewals = {name: seconds for name, found in sinks.items() if (seconds := renewal_s(found)) is not None}
    return AlertsConfig(Routing(routes, owners, renewals), sinks, source)


def _route(source: TomlFile, table: RouteTable, place: Place) -> Route:
    return Route(
        name=table.name,
        sinks=tuple(table.sinks),
        targets=_patterns(table.target),
        severities=frozenset([table.severity] if isinstance(table.severity, str) else table.severity),
        owners=_patterns(table.owner),
        page_on=frozenset(table.page_on),
        group_wait_s=table.group_wait_s,
        group_interval_s=table.group_interval_s,
        updates=table.updates,
        quiet_hours=_quiet_hours(source, table, place),
        escalate_to=table.escalate_to,
        escalate_after_s=table.escalate_after_s,
        direct=table.direct,
        causes=_patterns(table.cause),
    )


def _quiet_hours(source: TomlFile, table: RouteTable, place: Place) -> QuietHours | None:
    zone: tzinfo = UTC
    if table.timezone != "UTC":
        try:
            zone = ZoneInfo(table.timezone)
        except (OSError, ValueError, KeyError):
            raise source.error(
                [*place, "timezone"], "no such time zone", "Use a name such as Europe/Berlin.", value=table.timezone
            ) from None
    if table.quiet_hours is None:
        return None
    found = _CLOCK.fullmatch(table.quiet_hours)
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise source.error(
            [*place, "quiet_hours"], "not a span of the day", "Write it as 22:00-07:00.", value=table.quiet_hours
        )
    return QuietHours(time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4])), zone)


def _check_names(
    source: TomlFile, sinks: Mapping[str, SinkSettings], routes: tuple[Route, ...], owners: tuple[Owner, ...]
) -> None:
    known_owners = {owner.name for owner in owners}
    names: set[str] = set()
    for index, route in enumerate(routes):
        place = ("alerts", "route", index)
        if route.name in names:
            raise source.error([*place, "name"], "is used twice", "Give each route its own name.", value=route.name)
        names.add(route.name)
        for sink in route.sinks:
            if sink not in sinks:
                raise source.error(
                    [*place, "sinks"], "no such sink", f"Add [alerts.sink.{sink}], or remove it here.", value=sink
                )
        for owner in route.owners:
            if owner not in known_owners:
                raise source.error([*place, "owner"], "no such owner", "Add it as [[alerts.owner]].", value=owner)
    used = {sink for route in routes for sink in route.sinks}
    for sink in sinks:
        if sink not in used:
            raise source.error(
                ("alerts", "sink", sink), "no route leads to it", "Name it in the sinks of an [[alerts.route]]."
            )


def _check_escalations(source: TomlFile, routes: tuple[Route, ...]) -> None:
    by_name = {route.name: route for route in routes}
    for index, route in enumerate(routes):
        place = ("alerts", "route", index, "escalate_to")
        seen, current = {route.name}, route
        while current.escalate_to is not None:
            if current.escalate_to not in by_name:
                raise source.error(place, "no such route", "Name an [[alerts.route]].", value=current.escalate_to)
            if current.escalate_to in seen:
                raise source.error(
                    place, "leads back to an earlier route", "Remove it from the last route.",
                    value=route.escalate_to,
                )  # fmt: skip
            seen.add(current.escalate_to)
            current = by_name[current.escalate_to]


def _patterns(value: Patterns) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _convert(source: TomlFile, value: Any, kind: Any, place: Place) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        inner: list[str | int] = [
            int(index) if index else name for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path)
        ]
        unknown = re.search(r"unknown field `([^`]*)`", reason)
        if unknown is not None:
            inner.append(unknown[1])
        mend = "docs/alerts.md lists what is allowed there."
        if kind is SinkSettings and (inner == ["kind"] or "`kind`" in reason):
            mend = f"Choose one of {', '.join(SINK_KINDS)}; docs/alerts.md has their keys."
        raise source.error(
            [*place, *inner], reason[0].lower() + reason[1:], mend,
            value=None if unknown is not None else _value_at(value, inner),
        ) from None  # fmt: skip


def _value_at(value: Any, path: list[str | int]) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return None if isinstance(value, dict | list) else value
