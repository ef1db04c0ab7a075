"""Replace a secret where it stands: same length in bytes, and what may be the defect stays in its place.

A secret is often what breaks a request: a line feed in a bearer token, a ``%ZZ`` in a query, a template that nobody
filled in. So a seal replaces the readable characters and keeps what could be illegal in that position: control
characters and spaces everywhere, quotes and angle brackets in text, escapes in JSON, illegal characters and broken
escapes in a URL. Escapes of readable characters become the escape of an ``x``.
"""

import re
from collections.abc import Callable
from enum import IntEnum

from halt400.redaction.tokens import Tokens

__all__ = ["Position", "Sealer"]


class Position(IntEnum):
    """The grammar around a value, which says what must stay in place."""

    TEXT = 0
    """A header, XML or plain text."""
    JSON = 1
    """The inside of a quoted string with backslash escapes."""
    URL = 2
    """A URL or a form body, percent-encoded."""
    NUMBER = 3
    """A bare number of JSON; sign, point and exponent stay."""
    BARE = 4
    """A word of JSON without quotes that is no number; the literal or number that it starts with stays one."""


_PLAIN = re.compile(r"[!#-%'-;=?-\[\]-~]+")
_PLAIN_URL = re.compile(r"[!#$&-;=?-\[\]_a-z~]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_ESCAPE = r"\\u(?P<unicode>[0-9a-fA-F]{4})|\\u(?P<broken>[!#-\[\]-~]{1,4})|\\(?:[^u]|u)?"
_OTHER = r"(?P<wide>[^\x00-\x7f]+)|[\x00-\x7f]"

_UNITS = (
    re.compile(rf"(?P<core>[!#-%'-;=?-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
    re.compile(rf"(?P<core>[!#-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
    re.compile(
        r"(?P<core>[!#$&-;=?-\[\]_a-z~]+)|%(?:25)+(?![0-9a-fA-F]{2})(?P<behind>[!#$&-;=?-\[\]_a-z~]{1,2})"
        rf"|%(?:25)*(?P<percent>[0-9a-fA-F]{{2}})|{_ESCAPE}|{_OTHER}",
        re.DOTALL,
    ),
    re.compile(r"(?P<core>[0-9]+)|[^0-9]+"),
    re.compile(rf"(?P<core>[!#-%'-+\--;=?-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
)

_LITERAL = "null|true|false|NaN|Infinity"
_JSON_NUMBER = r"(?P<zero>0)?(?P<digits>(?(zero)|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
_BARE_START = re.compile(rf"(?P<literal>{_LITERAL})|{_JSON_NUMBER}")
_TO_QUOTE = re.compile(r'(?:\\.|[^"\\])*+', re.DOTALL)
_IN_QUOTES = re.compile(r'"(?!\s{0,16}[,:}\]])((?:\\.|[^"\\])*+)"', re.DOTALL)
_BEYOND_QUOTE = re.compile(
    rf"(?P<literal>{_LITERAL}|\\u[0-9a-fA-F]{{4}}|\\.?)|(?P<percent>%(?:25)*[0-9a-fA-F]{{2}})|{_JSON_NUMBER}"
    r"|(?P<word>[A-Za-z0-9]+)|(?P<wide>[^\x00-\x7f]+)|[\x00-\x7f]",
    re.DOTALL,
)

_PLACEHOLDER = re.compile(
    r"(?:null|none|nil|undefined|[+-]?(?:nan|inf(?:inity)?)|true|false|\[object object\]"
    r"|\[?(?:redacted|filtered|masked)\]?|\*+|%[sdr])"
    r"|(?:\{\{?|\$\{?|<|%\(|:)\s{0,4}(?P<name>[a-z][a-z_. -]{1,40})\s{0,4}(?:\}\}?|>|\)s)?",
    re.IGNORECASE,
)


def _wide_mask(character: str) -> str:
    point = ord(character)
    if point < 0x100:
        return "ÿ"
    if point < 0x800:
        return "ſ"
    if point < 0x10000:
        return character if 0xD800 <= point < 0xE000 else "█"
    return "\U0001f512"


def _byte_mask(byte: int) -> int:
    """A byte of the same class in UTF-8; an ASCII letter or digit becomes an x."""
    if byte < 0x80:
        return 0x78 if chr(byte).isalnum() else byte
    if byte < 0xC0:
        return 0x80
    if 0xC2 <= byte < 0xE0:
        return 0xC3
    if 0xE0 <= byte < 0xF0:
        return 0xE2
    return 0xF1 if 0xF0 <= byte < 0xF5 else byte


def _mask_percent(escape: str) -> str:
    return f"{escape[:-2]}{_byte_mask(int(escape[-2:], 16)):02X}"


def _end_of_string(text: str) -> int:
    """Where the first quote without a backslash stands."""
    match = _TO_QUOTE.match(text)
    return match.end() if match else 0


_NINES = str.maketrans("0123456789", "9" * 10)
_COVER = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "9" * 10 + "X" * 26 + "x" * 26)
_WIDE = re.compile(r"[^\x00-\x7f]+")
_BYTE_MASKS = {chr(byte): chr(_byte_mask(byte)) for byte in range(0x80, 0x100)}


class Sealer:
    """Seals secrets with the tokens of one key.

    Parameters
    ----------
    tokens
        Makes and recognises tokens.
    placeholder
        Says whether a name is that of a secret: ``{{api_key}}`` was never filled in, and is the evidence.
    octets
        The text is a view of bytes, one character each: what is above ASCII keeps its class in UTF-8.
    """

    __slots__ = ("_octets", "_placeholder", "_tokens")

    def __init__(self, tokens: Tokens, placeholder: Callable[[str], bool], *, octets: bool = False) -> None:
        self._tokens = tokens
        self._placeholder = placeholder
        self._octets = octets

    def is_placeholder(self, value: str) -> bool:
        """Whether the value is what stands where a secret should have been (``null``, ``{{api_key}}``)."""
        if len(value) > 64:
            return False
        match = _PLACEHOLDER.fullmatch(value)
        return match is not None and (match["name"] is None or self._placeholder(match["name"]))

    def seal(self, value: str, position: Position, keep: str = "") -> str:
        """The sealed value, as long as `value` in characters and in UTF-8.

        Parameters
        ----------
        value
            The secret as it is written in that position.
        position
            The grammar around it.
        keep
            Characters that belong to the kind of secret and stay, such as the dots of a JWT.
        """
        if position is Position.BARE:
            return self._seal_bare(value, keep)
        if not keep and position is not Position.NUMBER:
            if (_PLAIN_URL if position is Position.URL else _PLAIN).fullmatch(value):
                if _UUID.fullmatch(value):
                    keep = "-"
                elif value[-1] != "=":
                    return self._tokens.token(value)
                else:
                    core = value[:-2] if value.endswith("==") else value[:-1]
                    return self._tokens.token(core) + value[len(core) :] if core else value
            elif not value:
                return value
        if '"' in value:
            if quoted := _IN_QUOTES.fullmatch(value):
                return f'"{self.seal(quoted[1], position, keep)}"'
            end = _end_of_string(value)
            return self._seal_units(value[:end], position, keep) + self._mask_beyond_quote(value[end:])
        return self._seal_units(value, position, keep)

    def _seal_bare(self, value: str, keep: str) -> str:
        """A word without quotes; a parser of JSON stops at the same character of it as before."""
        start = _BARE_START.match(value)
        if start is None:
            if "," in value:
                return self._seal_units(value, Position.BARE, keep)
            return self.seal(value, Position.TEXT, keep)
        head = start["literal"] or (start["zero"] or "") + self._seal_units(start["digits"], Position.NUMBER, "")
        return head + self._seal_units(value[start.end() :], Position.BARE, keep)

    def _mask_beyond_quote(self, text: str) -> str:
        """The text with letters and digits masked, for a value that runs over the quote of JSON which ends it.

        What follows the quote may be JSON: its literals stay, and its numbers stay numbers.
        """

        def mask(match: re.Match[str]) -> str:
            kind = match.lastgroup
            if kind == "word":
                return "x" * len(match[0])
            if kind == "digits":
                return (match["zero"] or "") + match["digits"].translate(_NINES)
            if kind == "percent":
                return _mask_percent(match[0])
            if kind == "wide":
                return "".join(map(self._mask, match[0]))
            return match[0]

        return _BEYOND_QUOTE.sub(mask, text)

    def first_word(self, value: str, position: Position) -> int:
        """Where the characters at the start of `value` end that a seal replaces; the whole where there are none."""
        start = _UNITS[position].match(value)
        return start.end() if start and start.lastgroup == "core" else len(value)

    def cover(self, text: str) -> str:
        """The text with every letter and digit masked, for what is too much to be searched."""
        text = text.translate(_COVER)
        return text if text.isascii() else _WIDE.sub(lambda match: "".join(map(self._mask, match[0])), text)

    def _seal_units(self, value: str, position: Position, keep: str) -> str:
        pieces: list[str | int] = []
        core: list[str] = []
        for match in _UNITS[position].finditer(value):
            unit = match[0]
            kind = match.lastgroup
            if kind == "core":
                for part in _split_keeping(unit, keep) if keep else (unit,):
                    if keep and part in keep:
                        pieces.append(part)
                    else:
                        pieces.append(len(part))
                        core.append(part)
            elif kind == "wide":
                pieces.append("".join(map(self._mask, unit)))
            elif kind == "percent":
                pieces.append(_mask_percent(unit))
            elif kind == "behind" or kind == "broken":
                # What follows the start of a broken escape must not complete it.
                behind = match[kind]
                pieces.append(unit[: -len(behind)] + "".join("x" if one.isalnum() else one for one in behind))
            elif kind == "unicode":
                point = int(unit[2:], 16)
                surrogate = 0xD800 <= point < 0xE000
                readable = point > 0x7F or chr(point).isalnum()
                pieces.append("\\u0078" if readable and not surrogate else unit)
            else:
                pieces.append(unit)
        token = self._tokens.token("".join(core), value)
        taken = 0
        sealed: list[str] = []
        for piece in pieces:
            if isinstance(piece, int):
                sealed.append(token[taken : taken + piece])
                taken += piece
            else:
                sealed.append(piece)
        return "".join(sealed)

    def _mask(self, character: str) -> str:
        if self._octets:
            return _BYTE_MASKS.get(character, character)
        return _wide_mask(character)


def _split_keeping(text: str, keep: str) -> list[str]:
    """The text cut before and after each character of `keep`, nothing lost.

    >>> _split_keeping("a.b", ".")
    ['a', '.', 'b']
    """
    parts = [""]
    for character in text:
        if character in keep:
            parts += [character, ""]
        else:
            parts[-1] += character
    return [part for part in parts if part]
