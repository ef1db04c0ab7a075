"""Replace a secret by a token of the same length in bytes, and keep the characters that may be the defect.

A secret is often what breaks a request: a line feed in a bearer token, a ``%ZZ`` in a query, a template that nobody
filled in. So only readable characters are replaced. What can be illegal in the syntax around the secret stays: control
characters and spaces everywhere, quotes and angle brackets in text, escapes in JSON, illegal characters and broken
escapes in a URL. An escape of a readable character becomes the escape of an ``x``.
"""

import re
from collections.abc import Callable
from enum import IntEnum

from halt400.lazy_patterns import lazy_pattern
from halt400.redaction.masks import (
    NINES,
    mask_all,
    mask_byte,
    mask_escape,
    mask_percent,
    mask_wide,
    mask_word_characters,
)
from halt400.redaction.tokens import Tokens, is_masked

__all__ = ["SecretReplacer", "Syntax"]


class Syntax(IntEnum):
    """The syntax around a value, which decides what must stay in place."""

    TEXT = 0
    """A header, XML or plain text."""
    JSON = 1
    """The inside of a quoted string with backslash escapes."""
    URL = 2
    """A URL or a form body, percent-encoded."""
    NUMBER = 3
    """A bare number of JSON; sign, point and exponent stay."""
    BARE_WORD = 4
    """A word of JSON without quotes that is no number; where it starts with a literal or number, it still does."""


_PLAIN = lazy_pattern(r"[!#-%'-;=?-\[\]-~]+")
_PLAIN_URL = lazy_pattern(r"[!#$&-;=?-\[\]_a-z~]+")
_UUID = lazy_pattern(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_ESCAPE = r"\\u(?P<unicode>[0-9a-fA-F]{4})|\\u(?P<escape_rest>[!#-\[\]-~]{1,4})|\\(?:[^u]|u)?"
_OTHER = r"(?P<wide>[^\x00-\x7f]+)|[\x00-\x7f]"

_UNITS = (
    lazy_pattern(rf"(?P<readable>[!#-%'-;=?-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
    lazy_pattern(rf"(?P<readable>[!#-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
    lazy_pattern(
        r"(?P<readable>[!#$&-;=?-\[\]_a-z~]+)|%(?:25)+(?![0-9a-fA-F]{2})(?P<percent_rest>[!#$&-;=?-\[\]_a-z~]{1,2})"
        rf"|%(?:25)*(?P<percent>[0-9a-fA-F]{{2}})|{_ESCAPE}|{_OTHER}",
        re.DOTALL,
    ),
    lazy_pattern(r"(?P<readable>[0-9]+)|[^0-9]+"),
    lazy_pattern(rf"(?P<readable>[!#-%'-+\--;=?-\[\]-~]+)|{_ESCAPE}|{_OTHER}", re.DOTALL),
)

_LITERAL = "null|true|false|NaN|Infinity"
_JSON_NUMBER = r"(?P<zero>0)?(?P<digits>(?(zero)|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
# What a parser of JSON reads of a word without quotes.
_BARE_START = lazy_pattern(rf"(?P<literal>{_LITERAL})|{_JSON_NUMBER}")
_TO_QUOTE = lazy_pattern(r'(?:\\.|[^"\\])*+', re.DOTALL)
# Not where the first quote seems to close a string of JSON: then a comma, colon or bracket follows it.
_IN_QUOTES = lazy_pattern(r'"(?!\s{0,16}[,:}\]])((?:\\.|[^"\\])*+)"', re.DOTALL)
_BEYOND_QUOTE = lazy_pattern(
    rf"(?P<literal>{_LITERAL}|\\u[0-9a-fA-F]{{4}}|\\.?)|(?P<percent>%(?:25)*[0-9a-fA-F]{{2}})|{_JSON_NUMBER}"
    r"|(?P<word>[A-Za-z0-9]+)|(?P<wide>[^\x00-\x7f]+)|[\x00-\x7f]",
    re.DOTALL,
)

_PLACEHOLDER = lazy_pattern(
    r"(?:null|none|nil|undefined|[+-]?(?:nan|inf(?:inity)?)|true|false|\[object object\]"
    r"|\((?:null|none)\)|\[?(?:redacted|filtered|masked)\]?|\*+|%[sdr])"
    r"|(?:\{\{?|\$\{?|<|%\(|:)\s{0,4}(?P<name>[a-z][a-z_. -]{1,40})\s{0,4}(?:\}\}?|>|\)s)?",
    re.IGNORECASE,
)


def _end_of_string(text: str) -> int:
    """The index of the first quote without a backslash."""
    match = _TO_QUOTE.match(text)
    return match.end() if match else 0


class SecretReplacer:
    """Replaces secrets by the tokens of one key.

    Parameters
    ----------
    tokens
        Makes and recognises tokens.
    is_secret_name
        Whether a name is that of a secret: ``{{api_key}}`` was never filled in, and is the evidence.
    latin1
        The text is bytes decoded as Latin-1: each byte above ASCII becomes one of its class in UTF-8.
    """

    __slots__ = ("_is_secret_name", "_latin1", "_tokens")

    def __init__(self, tokens: Tokens, is_secret_name: Callable[[str], bool], *, latin1: bool = False) -> None:
        self._tokens = tokens
        self._is_secret_name = is_secret_name
        self._latin1 = latin1

    def is_placeholder(self, value: str) -> bool:
        """Whether the value is one that stands for a missing secret (``null``, ``{{api_key}}``)."""
        if len(value) > 64:
            return False
        match = _PLACEHOLDER.fullmatch(value)
        return match is not None and (match["name"] is None or self._is_secret_name(match["name"]))

    def replace(self, value: str, syntax: Syntax, keep: str = "") -> str:
        """The replacement of `value`, as long as it in characters and in UTF-8.

        Parameters
        ----------
        value
            The secret as it is written in that syntax.
        syntax
            The syntax around it.
        keep
            Characters that belong to the kind of secret and stay, such as the dots of a JWT.
        """
        if syntax is Syntax.BARE_WORD:
            return self._replace_bare_word(value, keep)
        if not keep and syntax is not Syntax.NUMBER:
            if (_PLAIN_URL if syntax is Syntax.URL else _PLAIN).fullmatch(value):
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
                return f'"{self.replace(quoted[1], syntax, keep)}"'
            end = _end_of_string(value)
            return self._replace_units(value[:end], syntax, keep) + self._mask_beyond_quote(value[end:])
        return self._replace_units(value, syntax, keep)

    def replace_echo(self, value: str) -> str:
        """The replacement of a secret in other text: each run of readable characters has its own token.

        What is around it there can end in the middle of `value`, and must end at a whole token when that text is
        redacted again.
        """
        if _PLAIN.fullmatch(value):
            return self.replace(value, Syntax.TEXT)
        end = _end_of_string(value)
        units = _UNITS[Syntax.TEXT].finditer(value, 0, end)
        replaced = [
            self._tokens.token(match[0]) if match.lastgroup == "readable" else self._masked(match) for match in units
        ]
        return "".join(replaced) + self._mask_beyond_quote(value[end:])

    def _replace_bare_word(self, value: str, keep: str) -> str:
        """Replace a word without quotes; a parser of JSON stops at the same character of it as before."""
        start = _BARE_START.match(value)
        if start is None:
            if "," in value:
                return self._replace_units(value, Syntax.BARE_WORD, keep)
            return self.replace(value, Syntax.TEXT, keep)
        head = start["literal"] or (start["zero"] or "") + self._replace_units(start["digits"], Syntax.NUMBER, "")
        return head + self._replace_units(value[start.end() :], Syntax.BARE_WORD, keep)

    def _mask_beyond_quote(self, text: str) -> str:
        """Mask the letters and digits of a value from the first quote on, where the string of JSON around it may end.

        What follows the quote may be JSON: its literals stay, and its numbers stay numbers.
        """

        def mask(match: re.Match[str]) -> str:
            kind = match.lastgroup
            if kind == "word":
                return "x" * len(match[0])
            if kind == "digits":
                return (match["zero"] or "") + match["digits"].translate(NINES)
            return self._masked(match)

        return _BEYOND_QUOTE.sub(mask, text)

    def first_word(self, value: str, syntax: Syntax) -> int:
        """Where the first run of replaced characters ends; the whole length where `value` does not start with one."""
        start = _UNITS[syntax].match(value)
        return start.end() if start and start.lastgroup == "readable" else len(value)

    def mask_all(self, text: str) -> str:
        """The text with every letter and digit masked, for a text that is too long to be searched."""
        return mask_all(text, latin1=self._latin1)

    def _replace_units(self, value: str, syntax: Syntax, keep: str) -> str:
        """Replace the readable runs of a value by the pieces of one token; what is between them stays or is masked.

        Runs that are together too short for a token have a mask each, and runs that are masks or tokens stay: so the
        echo of a secret (`replace_echo`) has the same masks, and is left alone where a name gives it away later.
        """
        pieces: list[str | int] = []
        readable: list[str] = []
        for match in _UNITS[syntax].finditer(value):
            if match.lastgroup != "readable":
                pieces.append(self._masked(match))
                continue
            for part in _split_keeping(match[0], keep) if keep else (match[0],):
                if keep and part in keep:
                    pieces.append(part)
                else:
                    pieces.append(len(part))
                    readable.append(part)
        joined = "".join(readable)
        if len(readable) > 1 and (is_masked(joined) or self._are_replaced(readable)):
            token = "".join([self._tokens.token(part) for part in readable])
        else:
            token = self._tokens.token(joined, value)
        taken = 0
        replaced: list[str] = []
        for piece in pieces:
            if isinstance(piece, int):
                replaced.append(token[taken : taken + piece])
                taken += piece
            else:
                replaced.append(piece)
        return "".join(replaced)

    def _are_replaced(self, parts: list[str]) -> bool:
        return all(self._tokens.token(part) == part for part in parts)

    def _masked(self, match: re.Match[str]) -> str:
        unit, kind = match[0], match.lastgroup
        if kind == "wide":
            return "".join(map(mask_byte if self._latin1 else mask_wide, unit))
        if kind == "percent":
            return mask_percent(unit)
        if kind == "unicode":
            return mask_escape(unit)
        if kind in ("escape_rest", "percent_rest"):
            # What follows the start of a broken escape must not complete it.
            rest = match[kind]
            return unit[: -len(rest)] + mask_word_characters(rest)
        return unit


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
