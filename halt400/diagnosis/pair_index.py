"""The names of a query or a form, indexed once for any number of looks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from urllib.parse import unquote_plus

from halt400.diagnosis.json_places import path_of, plain_name
from halt400.diagnosis.path_places import Place
from halt400.diagnosis.text_offsets import percent_offset

__all__ = ["EmbeddedIndex", "Pair", "PairIndex"]

Pair = tuple[int, str, int, int]
"""The offset of a name, the name as it is written, and the span of its value (-1: none)."""
_MOST_PARTS = 6
_OPENING = ("%7B", "%5B")


class PairIndex:
    """The names of a query (where: url) or a form (where: body)."""

    def __init__(self, pairs: Iterable[Pair], where: str, kind: str) -> None:
        self._where, self._kind = where, kind
        self._pairs: list[tuple[Pair, str]] = []
        self._whole: dict[str, int] = {}
        self._prefixes: dict[tuple[str, ...], int] = {}
        self._ends: dict[str, int] = {}
        for number, pair in enumerate(pairs):
            written = pair[1]
            text = unquote_plus(written) if "%" in written or "+" in written else written
            self._pairs.append((pair, text))
            plain = plain_name(text)
            if plain:
                self._whole.setdefault(plain, number)
            if "[" in text or "." in text:
                parts = tuple(plain_name(part) for part in path_of(text) if isinstance(part, str))
                for size in range(2, min(len(parts), _MOST_PARTS) + 1):
                    self._prefixes.setdefault(parts[:size], number)
                for end in (parts[-1], parts[0]) if parts else ():
                    self._ends.setdefault(end, number)

    def find(self, name: str) -> Place | None:
        """Find a name: as a whole, by its last part, and last by the last part of a name such as ``user[email]``."""
        if not self._pairs:
            return None
        wanted = tuple(plain_name(part) for part in path_of(name) if isinstance(part, str))
        last = wanted[-1] if wanted else ""
        number = self._whole.get(plain_name(name))
        if number is None and last:
            second = (self._whole.get(last), self._prefixes.get(wanted) if len(wanted) > 1 else None)
            number = min((one for one in second if one is not None), default=self._ends.get(last))
        if number is None:
            return None
        (start, written, value, end), text = self._pairs[number]
        place = (value, end) if value >= 0 else (start + len(written),) * 2
        return Place(self._where, self._kind, start, len(written), *place, text[:200])


class EmbeddedIndex:
    """The JSON that parameters of a query or fields of a form hold."""

    def __init__(self, text: str, pairs: Iterable[Pair], where: str, kind: str) -> None:
        self._text, self._where, self._kind = text, where, kind
        self._pairs: list[Pair] = []
        self._starts: list[int] = []
        decoded, at = [], 0
        for pair in pairs:
            value = pair[2]
            if value < 0 or (text[value : value + 3].upper() not in _OPENING and text[value : value + 1] not in "{["):
                continue
            self._pairs.append(pair)
            self._starts.append(at)
            decoded.append(unquote_plus(text[value : pair[3]]))
            at += len(decoded[-1]) + 1
        self._decoded = "\n".join(decoded)

    def find(self, name: str) -> Place | None:
        """The first member of that name, at its key."""
        index = self._decoded.find(f'"{name}"') if self._pairs and name and "\n" not in name else -1
        if index < 0:
            return None
        number = bisect_right(self._starts, index) - 1
        _, written, value, end = self._pairs[number]
        at = percent_offset(self._text, value, index - self._starts[number])
        stop = min(end, percent_offset(self._text, at, len(name) + 2))
        return Place(self._where, self._kind, -1, 0, at, stop, f"{unquote_plus(written)[:80]}.{name[:80]}")
