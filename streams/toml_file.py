"""A parsed TOML file (`halt400.toml`) whose errors name the line, the key and the value."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from halt400.errors import SettingError

__all__ = ["Place", "TomlFile", "line_of"]

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value."""


class TomlFile:
    """A file, parsed.

    Parameters
    ----------
    name
        The file's name in errors.

    Raises
    ------
    SettingError
        When the text is not TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        try:
            self.document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"{name} is not TOML: {error}.", "Correct it; see https://toml.io.") from None

    @classmethod
    def read(cls, path: Path) -> "TomlFile":
        """Read a file.

        Raises
        ------
        SettingError
            When it cannot be read, or is not TOML.
        """
        try:
            return cls(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingError(f"{path} cannot be read ({reason}).", "Name a file that exists, in UTF-8.") from error

    def error(self, place: Sequence[str | int], reason: str, mend: str, *, value: Any = None) -> SettingError:
        """The error for a key, with its line, or that of the nearest table around it."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        shown = f" = {value!r}" if value is not None else ""
        return SettingError(f"{self.name}, line {self.line(place)}: {key}{shown}: {reason}.", mend)

    def line(self, place: Sequence[str | int]) -> int:
        """The line of a key, or of the nearest table around it, counted from 1."""
        return line_of(self._text, tuple(place))


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_QUOTED = re.compile(r"""\"\"\"|'''|"(?:[^"\\]|\\.)*"|'[^']*'|#.*|[\[\]{}]""")


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))


def _positions(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Every table header and key with its line, in order; what lies inside a value over several lines is skipped."""
    table: tuple[str | int, ...] = ()
    arrays: Counter[tuple[str, ...]] = Counter()
    open_string, depth = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        if not open_string and depth == 0:
            if header := _HEADER.match(line):
                name = _parts(header[2])
                table = name
                if header[1] == "[[":
                    table = (*name, arrays[name])
                    arrays[name] += 1
                yield table, number
                continue
            if assignment := _ASSIGNMENT.match(line):
                yield (*table, *_parts(assignment[1])), number
                rest = line[assignment.end() :]
        while rest:
            if open_string:
                _, found, rest = rest.partition(open_string)
                if not found:
                    break
                open_string = ""
                continue
            token = _QUOTED.search(rest)
            if token is None:
                break
            rest = rest[token.end() :]
            if token[0] in ('"""', "'''"):
                open_string = token[0]
            elif token[0] in "[{":
                depth += 1
            elif token[0] in "]}":
                depth -= 1


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    r"""The line, counted from 1, where the key at `path` is set; that of the nearest table around it otherwise.

    Examples
    --------
    >>> line_of('[[targets]]\n[[targets]]\npolicy = "no"', ("targets", 1, "policy"))
    3
    """
    lines: dict[tuple[str | int, ...], int] = {}
    for found, line in _positions(text):
        for length in range(1, len(found) + 1):
            lines.setdefault(found[:length], line)
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1
