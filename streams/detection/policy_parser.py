"""Reads the policies from the text of ``halt400.toml``; a mistake is named with its line, key, value and mend. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from streams.detection.cause_rows import read_rows
from streams.detection.mixture import Tiers
from streams.detection.null_ratio import HIGHEST
from streams.detection.policy import FleetRules, Policies, Rule
from streams.detection.requests import Retries
from streams.toml_file import Place, TomlFile

__all__ = ["parse_policies"]

_OTHERS: Final = frozenset({"alerts", "archive", "diagnosis", "redaction"})
"""Tables of the same file that other parts of Halt400 read."""
_OWN: Final = frozenset({"defaults", "fleet", "retries", "targets", "tiers"})

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "hold_s": (1, 31_536_000),
    "hold_cap_s": (1, 31_536_000),
    "lease_s": (1, 3_600),
    "expiry_grace_s": (5, 86_400),
    "least_p0": (1e-7, HIGHEST),
    "old_news_s": (1, 31_536_000),
    "ticket": (100, 1e13),
    "page": (100, 1e13),
    "share_ratio": (0, 1),
    "minimum": (0, 1_000_000),
    "clear_s": (1, 31_536_000),
    "window_s": (1, 86_400),
    "grace_s": (0, 3_600),
    "requests": (1, 65_536),
    "event_ids": (1, 65_536),
}
_CHOICES: Final = {"policy": ("strict", "evidence"), "mode": ("live", "shadow"), "job_tier": ("ticket", "page")}

_Table = TypeVar("_Table", bound=Struct)


def parse_policies(text: str, name: str = "halt400.toml", defaults: Rule | None = None) -> Policies:
    """Read the policies from the text of a TOML file.

    Parameters
    ----------
    text
        The file's text; tables that belong to other parts of Halt400 are ignored.
    name
        The file's name in errors.
    defaults
        What ``[defaults]`` begins with; the built-in rule unless given.

    Raises
    ------
    SettingError
        Something is wrong: names the line, the key, its value and the mend.

    Examples
    --------
    >>> policies = parse_policies('''
    ... [[targets]]
    ... pattern = "*.shop.example"
    ... policy = "evidence"
    ... ''')
    >>> policies.rule_for("api.shop.example").policy, policies.rule_for("api.other.example").policy
    ('evidence', 'strict')
    """
    file = TomlFile(name, text)
    document = file.document
    for key, value in document.items():
        if key not in _OWN | _OTHERS:
            # A table may have secrets in it: a misspelt [alerts] must not put them in a log.
            shown = None if isinstance(value, dict | list) else value
            raise file.error((key,), "no such table", _suggest(key, _OWN | _OTHERS, "Known tables"), value=shown)
    default = _read(file, ("defaults",), document.get("defaults", {}), defaults or Rule())
    _check_hold(file, ("defaults",), default)
    tiers = _read(file, ("tiers",), document.get("tiers", {}), Tiers())
    if tiers.ticket > tiers.page:
        place, mend = ("tiers", "ticket"), f"Write at most page = {tiers.page:g}: a page must be rarer than a ticket."
        raise file.error(place, "above page", mend, value=tiers.ticket)
    return Policies(
        rules=_rules(file, document.get("targets", []), default),
        default=default,
        tiers=tiers,
        fleet=_read(file, ("fleet",), document.get("fleet", {}), FleetRules()),
        retries=_read(file, ("retries",), document.get("retries", {}), Retries()),
    )


def _rules(file: TomlFile, tables: Any, default: Rule) -> tuple[Rule, ...]:
    if not isinstance(tables, list):
        mend = "Write each rule as [[targets]], with double brackets."
        raise file.error(("targets",), "not a list of tables", mend, value=tables)
    rules: list[Rule] = []
    for index, table in enumerate(tables):
        place = "targets", index
        rule = _read(file, place, table, default)
        if "pattern" not in table:
            mend = 'Add pattern = "...", the targets that the rule is for.'
            raise file.error(place, "has no pattern", mend, value=table)
        pattern = rule.pattern.strip().lower()
        for earlier in rules:
            if pattern == earlier.pattern:
                mend = f"Line {earlier.line} has the same pattern: join the two."
                raise file.error((*place, "pattern"), "is there twice", mend, value=rule.pattern)
        rules.append(replace(rule, pattern=pattern, line=file.line(place)))
        _check_hold(file, place, rules[-1])
    return tuple(rules)


def _read(file: TomlFile, place: Place, table: Any, base: _Table) -> _Table:
    """`base` with what `table` sets; every key and value is checked."""
    if not isinstance(table, dict):
        raise file.error(place, "not a table", f"Write it as a table, [{place[0]}].", value=table)
    known = {field: getattr(base, field) for field in base.__struct_fields__ if field != "line"}
    if len(place) == 1 and isinstance(base, Rule):
        known.pop("pattern")
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise file.error((*place, key), "no such key", _suggest(key, known, "Known here"), value=value)
        if key == "causes":
            settings[key] = read_rows(file, (*place, key), value, known[key])
            continue
        _check_value(file, (*place, key), value, known[key])
        settings[key] = type(known[key])(value)
    return replace(base, **settings)


def _check_value(file: TomlFile, place: Place, value: Any, default: object) -> None:
    name = str(place[-1])
    if name in _RANGES:
        low, high = _RANGES[name]
        kinds = (int,) if isinstance(default, int) else (int, float)
        wanted = "a whole number" if isinstance(default, int) else "a number"
        mend = f"Write {wanted} from {low:,} to {high:,}."
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise file.error(place, f"not {wanted}", mend, value=value)
        if not low <= value <= high:
            raise file.error(place, "out of range", mend, value=value)
    elif name in _CHOICES and value not in _CHOICES[name]:
        mend = "Write " + " or ".join(f'"{choice}"' for choice in _CHOICES[name]) + "."
        raise file.error(place, "no such choice", mend, value=value)
    elif name == "pattern" and (not isinstance(value, str) or not value.strip()):
        mend = 'Write a pattern of target names, such as "*.shop.example".'
        raise file.error(place, "not a pattern", mend, value=value)


def _check_hold(file: TomlFile, place: Place, rule: Rule) -> None:
    if rule.hold_s > rule.hold_cap_s:
        mend = f"Doubling stops at hold_cap_s = {rule.hold_cap_s}: raise it, or lower hold_s."
        raise file.error((*place, "hold_s"), "above hold_cap_s", mend, value=rule.hold_s)


def _suggest(key: str, known: Iterable[str], title: str) -> str:
    near = get_close_matches(key, known, 1)
    return f"Did you mean {near[0]}?" if near else f"{title}: {', '.join(sorted(known))}."
