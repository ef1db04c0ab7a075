"""A TOML file that knows on which line each key stands, so that an error can name it."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halt400.errors import SettingError

__all__ = ["Place", "TomlSource"]

Place = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_PARTS = re.compile(_PART)


class TomlSource:
    """A file, parsed.

    Parameters
    ----------
    name
        How errors call it.

    Raises
    ------
    SettingError
        When the text is no TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        try:
            self.document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"{name} is not TOML: {error}.", "Correct it; see https://toml.io.") from None
        self._lines = _lines(text)

    @classmethod
    def read(cls, path: Path) -> "TomlSource":
        """Read a file.

        Raises
        ------
        SettingError
            When it cannot be read, or is no TOML.
        """
        try:
            return cls(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingError(f"{path} cannot be read ({reason}).", "Name a file that exists, in UTF-8.") from error

    def line(self, place: Sequence[str | int]) -> int | None:
        r"""The line of a key or table, from 1; that of the nearest table around it where it has none of its own.

        Examples
        --------
        >>> TomlSource("x", "[a]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2").line(["a", "b", 1, "c"])
        5
        """
        for length in range(len(place), 0, -1):
            found = self._lines.get(tuple(place[:length]))
            if found is not None:
                return found
        return None

    def error(self, place: Sequence[str | int], reason: str, mend: str, *, value: Any = None) -> SettingError:
        """Make the error that names line, key and value."""
        line = self.line(place)
        where = f"{self.name} line {line}" if line is not None else self.name
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        shown = f" = {value!r}" if value is not None else ""
        return SettingError(f"{where}: {key}{shown}: {reason}.", mend)


def _lines(text: str) -> dict[Place, int]:
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    quotes: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if quotes is None:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header is not None:
                table = _resolve(_names(header[2]), counts)
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                found.setdefault(table, number)
            elif key is not None:
                found.setdefault((*table, *_names(key[1])), number)
        quotes = _open_quotes(line, quotes)
    return found


def _names(dotted: str) -> Place:
    return tuple(part.strip("\"'") for part in _PARTS.findall(dotted))


def _resolve(names: Place, counts: dict[Place, int]) -> Place:
    """Put in the index of each array of tables on the way: it is the last one's."""
    place: Place = ()
    for index, name in enumerate(names):
        place = (*place, name)
        if place in counts and index < len(names) - 1:
            place = (*place, counts[place])
    return place


def _open_quotes(line: str, quotes: str | None) -> str | None:
    """Which multi-line string is open behind a line."""
    for found in re.findall(r'"""|\'\'\'', line):
        if quotes is None:
            quotes = found
        elif quotes == found:
            quotes = None
    return quotes
