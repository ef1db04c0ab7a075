"""What each cause of a 400 leads to: the rows ``causes`` of a rule in ``halt400.toml``, and the built-in ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from halt400.records import Cause, Diagnosis
from streams.toml_file import Place, TomlFile

__all__ = ["BUILT_IN_ROWS", "BY_POLICY", "CauseRow", "read_rows", "row_of"]

CauseAction = Literal["policy", "hold", "page", "ticket", "ignore"]
_ACTIONS: Final = get_args(CauseAction)
_CAUSES: Final = get_args(Cause)
_KEYS: Final = ("action", "hold_s", "stated")
LONGEST_HOLD_S: Final = 31_536_000


class CauseRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a 400 of one cause leads to.

    Attributes
    ----------
    action
        ``policy``: as the rule's policy says. ``hold``: the job is quarantined. ``page``, ``ticket``: the retry of the
        request is aborted and people are alerted, the job goes on. ``ignore``: it is archived and counted, no more.
    hold_s
        With ``hold``: how long; None for the rule's hold, which doubles.
    stated
        With ``hold``: for the time that the target or the documentation of its code states, and `hold_s` where none is.
    line
        Its line in the file; 0 for a built-in row.
    """

    action: CauseAction = "policy"
    hold_s: int | None = None
    stated: bool = False
    line: int = 0

    def text(self) -> str:
        """The row in words.

        Examples
        --------
        >>> BUILT_IN_ROWS["rate_limited"].text(), CauseRow(action="ticket", line=7).text()
        ('hold for the stated time, else 60 s (built in)', 'ticket (line 7)')
        """
        what: str = self.action
        if self.action == "hold" and self.stated:
            what = f"hold for the stated time, else {f'{self.hold_s} s' if self.hold_s is not None else 'as the rule'}"
        elif self.action == "hold" and self.hold_s is not None:
            what = f"hold for {self.hold_s} s"
        return f"{what} ({f'line {self.line}' if self.line else 'built in'})"

    def seconds(self, diagnosis: Diagnosis | None, cap_s: int) -> int | None:
        """How long to hold, at most `cap_s`; None for the rule's hold."""
        stated = diagnosis.retry_after_s if self.stated and diagnosis is not None else None
        seconds = stated if stated is not None else self.hold_s
        return None if seconds is None else min(seconds, cap_s)


BY_POLICY: Final = CauseRow()
BUILT_IN_ROWS: Final[Mapping[str, CauseRow]] = {
    "credential_rejected": CauseRow(action="hold"),
    "rate_limited": CauseRow(action="hold", hold_s=60, stated=True),
    "expired_state": CauseRow(action="ticket"),
}
"""The rows of every rule that says nothing else; all other causes are as the policy says."""


def row_of(rows: Mapping[str, CauseRow], diagnosis: Diagnosis | None) -> CauseRow:
    """The row for a diagnosis; `BY_POLICY` where there is none."""
    return rows.get(diagnosis.cause if diagnosis is not None else "unknown", BY_POLICY)


def read_rows(file: TomlFile, place: Place, table: Any, base: Mapping[str, CauseRow]) -> dict[str, CauseRow]:
    """`base` with the rows that `table` sets.

    Raises
    ------
    SettingError
        Something is wrong: names the line, the key, its value and the mend.
    """
    if not isinstance(table, dict):
        raise file.error(place, "not a table", 'Write it as causes = { rate_limited = "hold" }.', value=table)
    rows = dict(base)
    for cause, value in table.items():
        if cause not in _CAUSES:
            near = get_close_matches(cause, _CAUSES, 1)
            mend = f"Did you mean {near[0]}?" if near else f"Causes: {', '.join(_CAUSES)}."
            raise file.error((*place, cause), "no such cause", mend, value=value)
        rows[cause] = _read_row(file, (*place, cause), value)
    return rows


def _read_row(file: TomlFile, place: Place, value: Any) -> CauseRow:
    actions = ", ".join(f'"{action}"' for action in _ACTIONS)
    settings = {"action": value} if isinstance(value, str) else value
    if not isinstance(settings, dict):
        mend = f'Write one of {actions}, or {{ action = "hold", hold_s = 60 }}.'
        raise file.error(place, "not an action", mend, value=value)
    for key in settings:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            mend = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(_KEYS)}."
            raise file.error((*place, key), "no such key", mend, value=settings[key])
    action: Any = settings.get("action")
    hold_s, stated = settings.get("hold_s"), settings.get("stated", False)
    if action not in _ACTIONS:
        raise file.error((*place, "action"), "no such action", f"Write one of {actions}.", value=action)
    if not isinstance(stated, bool):
        raise file.error((*place, "stated"), "neither true nor false", "Write true or false.", value=stated)
    if hold_s is not None:
        mend = f"Write a whole number from 1 to {LONGEST_HOLD_S:,}."
        if isinstance(hold_s, bool) or not isinstance(hold_s, int):
            raise file.error((*place, "hold_s"), "not a whole number", mend, value=hold_s)
        if not 1 <= hold_s <= LONGEST_HOLD_S:
            raise file.error((*place, "hold_s"), "out of range", mend, value=hold_s)
    if action != "hold" and (hold_s is not None or stated):
        mend = f'Only "hold" has a time: write action = "hold", or {place[-1]} = "{action}".'
        raise file.error(place, "has a time and holds nothing", mend, value=action)
    return CauseRow(action=action, hold_s=hold_s, stated=stated, line=file.line(place))
