"""Map a place in a decoded text to the place in what was sent: a JSON string, or a percent-encoded value."""

from __future__ import annotations

import re

__all__ = ["json_string_offset", "line_offset", "percent_offset"]

_JSON_UNIT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*",
    re.DOTALL,
)
_PERCENT_UNIT = re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\n|\r")


def json_string_offset(body: bytes, start: int, index: int) -> int:
    r"""The offset in `body` of the character `index` of the JSON string whose opening quote is at `start`.

    Examples
    --------
    >>> json_string_offset(rb'{"q": "a\nb\u00e9c"}', 6, 4)
    17
    """
    at = start + 1
    for _ in range(index):
        unit = _JSON_UNIT.match(body, at)
        if unit is None or unit[0] == b'"':
            break
        at = unit.end()
    return at


def percent_offset(text: str, start: int, index: int) -> int:
    """The offset in `text` of the character `index` of the percent-encoded value that starts at `start`.

    Examples
    --------
    >>> percent_offset("?q=%C3%A9%7Bx", 3, 2)
    12
    """
    at, count = start, -1
    while True:
        unit = _PERCENT_UNIT.match(text, at)
        if unit is None:
            return at
        continues = len(unit[0]) == 3 and 0x80 <= int(unit[0][1:], 16) < 0xC0
        if not continues:
            count += 1
            if count == index:
                return at
        at = unit.end()


def line_offset(text: str, line: int, column: int) -> int:
    r"""The index of a line and column (both from 1) in a text.

    Examples
    --------
    >>> line_offset("ab\r\ncd", 2, 2)
    5
    """
    start = 0
    if line > 1:
        for number, found in enumerate(_LINE_END.finditer(text), 2):
            if number == line:
                start = found.end()
                break
        else:
            return len(text)
    return min(len(text), start + max(0, column - 1))
