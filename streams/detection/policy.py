"""Policies: what a 400 leads to on which target, read from one TOML file (`halt400.toml`).

Pure: text in, frozen rules out. Who watches the file for changes parses it again and passes the result on; rules that
cannot be read never replace rules that can.
"""

import tomllib
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from halt400.errors import SettingError
from streams.detection.mixture import Tiers
from streams.detection.null_ratio import FLOOR, HIGHEST
from streams.detection.requests import Retries
from streams.quarantine.lifecycle import Durations
from streams.toml_file import line_of

__all__ = ["FleetRules", "Policies", "Rule", "parse_policies"]

_OTHERS: Final = frozenset({"alerts", "archive", "diagnosis", "redaction"})
"""Tables of the same file that other parts of Halt400 read."""
_OWN: Final = frozenset({"defaults", "fleet", "retries", "targets", "tiers"})


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the targets of one pattern.

    Attributes
    ----------
    pattern
        Shell pattern of the target's name (``*``, ``?``, ``[a-z]``), case ignored.
    policy
        ``strict``: any 400 quarantines its job on that target. ``evidence``: the retry is aborted; the job is
        quarantined when the diagnosis is certain or its detector reaches `job_tier`.
    mode
        ``shadow``: everything is computed and recorded, no command is issued.
    job_tier
        The tier at which a job is quarantined by its own detector under ``evidence``.
    hold_s, hold_cap_s, lease_s, expiry_grace_s
        See `streams.quarantine.lifecycle.Durations`.
    least_p0
        The floor of the null ratio: a target that is known to answer this part of good requests with 400.
    old_news_s
        A 400 older than this when read is archived and counted and opens nothing.
    line
        Where the rule stands in the file; 0 for what is built in.
    """

    pattern: str = "*"
    policy: Literal["strict", "evidence"] = "strict"
    mode: Literal["live", "shadow"] = "live"
    job_tier: Literal["ticket", "page"] = "ticket"
    hold_s: int = 900
    hold_cap_s: int = 86_400
    lease_s: int = 60
    expiry_grace_s: int = 120
    least_p0: float = FLOOR
    old_news_s: int = 900
    line: int = 0

    def durations(self) -> Durations:
        """The times of a quarantine under this rule."""
        return Durations(
            hold_s=self.hold_s,
            hold_cap_s=self.hold_cap_s,
            lease_s=self.lease_s,
            expiry_grace_s=self.expiry_grace_s,
        )


class FleetRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The blast radius.

    Attributes
    ----------
    share_ratio
        The part of the active targets that the machine may hold quarantined.
    minimum
        It may always hold this many.
    clear_s
        A tripped guard clears when for this long no quarantine was refused and there is room again.
    """

    share_ratio: float = 0.1
    minimum: int = 3
    clear_s: int = 900

    def cap(self, active_targets: int) -> int:
        """The most targets that the machine may hold quarantined."""
        return max(self.minimum, int(self.share_ratio * active_targets))


class Policies(Struct, frozen=True, kw_only=True):
    """All of the file: rules in their order, and what holds for the whole fleet."""

    rules: tuple[Rule, ...] = ()
    default: Rule = Rule()
    tiers: Tiers = Tiers()
    fleet: FleetRules = FleetRules()
    retries: Retries = Retries()

    def rule_for(self, target: str) -> Rule:
        """The first rule whose pattern fits, else the default."""
        name = target.lower()
        for rule in self.rules:
            if fnmatchcase(name, rule.pattern):
                return rule
        return self.default


_Table = TypeVar("_Table", bound=Struct)


class _File:
    """A parsed file and its text, to say where a fault is."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name

    def fault(self, path: tuple[str | int, ...], value: object, mend: str) -> SettingError:
        line = line_of(self.text, path)
        setting = ".".join(str(part) for part in path)
        return SettingError(f"{self.name}, line {line}: {setting} = {value!r}.", mend)


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


def _check_value(file: _File, path: tuple[str | int, ...], value: Any, default: object) -> None:
    name = str(path[-1])
    if name in _RANGES:
        low, high = _RANGES[name]
        kinds = (int,) if isinstance(default, int) else (int, float)
        wanted = "a whole number" if isinstance(default, int) else "a number"
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise file.fault(path, value, f"Write {wanted} from {low:,} to {high:,}.")
        return
    choices = {"policy": ("strict", "evidence"), "mode": ("live", "shadow"), "job_tier": ("ticket", "page")}
    if name in choices and value not in choices[name]:
        raise file.fault(path, value, "Write " + " or ".join(f'"{choice}"' for choice in choices[name]) + ".")
    if name == "pattern" and (not isinstance(value, str) or not value.strip()):
        raise file.fault(path, value, 'Write a pattern of target names, such as "*.shop.example".')


def _read(file: _File, path: tuple[str | int, ...], table: Any, given: _Table) -> _Table:
    """`given` with what `table` sets; every key and value checked."""
    if not isinstance(table, dict):
        raise file.fault(path, table, f"Write it as a table, [{path[0]}].")
    known = {field: getattr(given, field) for field in given.__struct_fields__ if field != "line"}
    if len(path) == 1 and isinstance(given, Rule):
        known.pop("pattern")
    for key, value in table.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(sorted(known))}."
            raise file.fault((*path, key), value, hint)
        _check_value(file, (*path, key), value, known[key])
    return replace(given, **{key: type(known[key])(value) for key, value in table.items()})


def _targets(file: _File, tables: Any, default: Rule) -> tuple[Rule, ...]:
    if not isinstance(tables, list):
        raise file.fault(("targets",), tables, "Write each rule as [[targets]], with double brackets.")
    rules: list[Rule] = []
    for index, table in enumerate(tables):
        rule = _read(file, ("targets", index), table, default)
        if "pattern" not in table:
            raise file.fault(("targets", index), table, 'Add pattern = "...", the targets that the rule is for.')
        pattern = rule.pattern.strip().lower()
        for earlier in rules:
            if pattern == earlier.pattern:
                path = ("targets", index, "pattern")
                raise file.fault(path, rule.pattern, f"Line {earlier.line} has the same pattern: join the two.")
        rules.append(replace(rule, pattern=pattern, line=line_of(file.text, ("targets", index))))
        _check_holds(file, ("targets", index), rules[-1])
    return tuple(rules)


def _check_holds(file: _File, path: tuple[str | int, ...], rule: Rule) -> None:
    if rule.hold_s > rule.hold_cap_s:
        mend = f"The cap of doubled holds is hold_cap_s = {rule.hold_cap_s}: raise it, or lower hold_s."
        raise file.fault((*path, "hold_s"), rule.hold_s, mend)


def parse_policies(text: str, name: str = "halt400.toml", given: Rule | None = None) -> Policies:
    """Read the policies from the text of a TOML file.

    Parameters
    ----------
    text
        The file's text; tables that belong to other parts of Halt400 are passed over.
    name
        What the file is called in errors.
    given
        What ``[defaults]`` begins with; what is built in unless given.

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
    file = _File(text, name)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{name} is no TOML: {error}.", "Mend that line; https://toml.io has the grammar.") from None
    for key, value in document.items():
        if key not in _OWN | _OTHERS:
            near = get_close_matches(key, _OWN | _OTHERS, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known tables: {', '.join(sorted(_OWN | _OTHERS))}."
            raise file.fault((key,), value, hint)
    default = _read(file, ("defaults",), document.get("defaults", {}), given or Rule())
    _check_holds(file, ("defaults",), default)
    tiers = _read(file, ("tiers",), document.get("tiers", {}), Tiers())
    if tiers.ticket > tiers.page:
        raise file.fault(("tiers", "ticket"), tiers.ticket, f"A page ({tiers.page:g}) must be rarer than a ticket.")
    return Policies(
        rules=_targets(file, document.get("targets", []), default),
        default=default,
        tiers=tiers,
        fleet=_read(file, ("fleet",), document.get("fleet", {}), FleetRules()),
        retries=_read(file, ("retries",), document.get("retries", {}), Retries()),
    )
