"""Where in the text of a TOML file a key stands: the standard parser keeps no positions."""

import re
from collections import Counter
from collections.abc import Iterator

__all__ = ["line_of"]

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
