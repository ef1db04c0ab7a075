"""Find the values of secret names in any text: JSON, broken JSON, forms, multipart, XML, GraphQL, header dumps, logs.

There is no parser here, on purpose: the texts are often such that no parser accepts them, and a parser would repair
them. A name is found by its stem, extended to a whole word, and judged. The value after it ends where its quote, tag,
boundary or delimiter says. Each step looks at a bounded piece or consumes what it has looked at, so the time is linear
in the text.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from halt400.lazy_patterns import lazy_pattern
from halt400.redaction.credentials import HEADER_KINDS, SCHEME
from halt400.redaction.secret_names import NameVerdict
from halt400.redaction.secret_replacer import Syntax
from halt400.redaction.structures import (
    ATTRIBUTE,
    ATTRIBUTE_BEFORE,
    PAIR,
    QUOTE,
    block_lines,
    bracketed,
    element,
    form_part,
    log_word,
    value_before,
)

__all__ = ["NAMES_MAX", "Field", "find_fields"]


class Field(NamedTuple):
    """The value of a secret name: text[start:end], written in `syntax`. `name` is empty where the value is a guess."""

    name: str
    start: int
    end: int
    syntax: Syntax


NAMES_MAX = 10_000
_NAME_MAX = 96
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-.$"
_ENCODED_BEFORE = lazy_pattern(r"(?:25){0,3}[0-9a-f]{2}")
_ESCAPED_BEFORE = lazy_pattern(r"u[0-9a-f]{4}|x[0-9a-f]{2}|[nrt]")
_NAME_REST = lazy_pattern(rf"[a-z0-9_\-.$]{{0,{_NAME_MAX}}}+")

_AFTER_NAME = lazy_pattern(
    rf"""(?:\]|%(?:25){{0,3}}5[Dd])?(?P<close>""|''|{QUOTE})?(?:\]|%5[Dd])?(?:\[[0-9]{{0,4}}\]|%5[Bb]%5[Dd])?[^\S\r\n]{{0,16}}+(?:\r?\n\s{{0,16}}+)?"""
    r"(?P<separator>=>|:=|[:=]|%(?:25){0,3}3[AaDd])\s{0,16}+"
)
# The value is empty, and the next line has a name of its own.
_NEXT_LINE = lazy_pattern(r"[A-Za-z][\w.-]{0,40}:(?=\s|\Z)")
_SCHEME_ALONE = lazy_pattern(rf"(?:{SCHEME})\s*", re.IGNORECASE)
_FOLDED = lazy_pattern(r"""(?:\r?\n|(?:\\r)?\\n)[ \t]{0,16}+(?![\w-]{1,40}:)(?P<word>[^\s"'`\\]++)""")
_HEADER_PAIR = lazy_pattern(rf"(?:{QUOTE})\s{{0,16}}+,\s{{0,16}}+(?=[bru]?(?:{QUOTE}))")
# A doubled quote is one of CSV or SQL inside a quoted text, or else an empty text.
_OPEN = lazy_pattern(rf"""[bfru]{{0,2}}(?P<quote>(?:""|'')(?=[^\s,:;&}}\])>"'])|{QUOTE})""")
_UNQUOTED = lazy_pattern(r"""(?:\\.|[^"\\])*+""", re.DOTALL)
_UNTICKED = lazy_pattern(r"""(?:\\.|[^'\\])*+""", re.DOTALL)
_ENCODED_QUOTED = {
    quote: lazy_pattern(rf"""(?:(?!{quote})[^"])*+""") for quote in ("%22", "%27", "&quot;", "&#34;", "&#39;")
}
_LINE = lazy_pattern(r"(?:(?!\\[rn])[^\r\n])*+")
_LINE_TO_QUOTE = lazy_pattern(r"""(?:(?!\\[rn])[^\r\n"'`])*+""")
# Backslashes with the character that they escape, unless that is white space or a quote, which end a word.
_ESCAPED = r"""\\++[^\snrt"'`]"""
_ESCAPED_LINES = lazy_pattern(r"""(?:\\++[nrt]\s{0,16}+){1,8}(?=[^\s"'`\\])""")
_WORD = lazy_pattern(
    rf"""(?i:(?:{SCHEME})[ ]+)?"""
    rf"""(?:[^\s&"'`<>;,{{}}\[\]()\\]|{_ESCAPED}|;(?!\s{{0,4}}[\w .-]{{1,40}}=)|[,)](?=[^\s"'`&<>{{}}\[\]]))*+"""
)
_FORM = lazy_pattern(rf"""(?:[^&\s"'`<>\\]|{_ESCAPED})*+""")
_ENCODED = lazy_pattern(r"""(?:(?!%(?:25){0,3}(?:26|23))[^&\s"'`<>#])*+""")
_SIGNS = lazy_pattern(r"[+.-]*+(?=[^\s])")
_NUMBER = lazy_pattern(r"-?0*([0-9][0-9.eE+-]*)")

_FLAG_VALUE = lazy_pattern(r"""[ \t]+(?!-)(?=\S)""")
_LEAF = lazy_pattern(
    rf"""(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<quote>{QUOTE})|(?P<escape>\\u[0-9a-fA-F]{{4}}|\\.)"""
    r"""|(?P<bare>[^\s"'`,:{}\[\]\\]+)""",
    re.DOTALL,
)
# A quote that closes a string of JSON: what follows it is between strings.
_CLOSES = lazy_pattern(r'(?:\\\\)*"(?=\s{0,16}+[,:}\]])')
_OPEN_KEYS = frozenset({"algorithm", "method", "scheme", "type"})
_KEY = lazy_pattern(r"\s{0,16}+:")
_KEY_END = lazy_pattern(rf"(?:{QUOTE})\s{{0,16}}+:")


def find_fields(
    text: str, lowered: str, stem_pattern: re.Pattern[str], judge: Callable[[str], NameVerdict]
) -> tuple[list[Field], int]:
    """The values of secret names in `text`, in order, none overlapping; and how far the text was searched.

    The search ends after 10,000 secret names, so that a hostile text cannot take unbounded time.

    Parameters
    ----------
    text
        Any text.
    lowered
        The same in lower case, character by character.
    stem_pattern
        Finds what every secret name contains, in lower case.
    judge
        What a name says about its value; weak names are left alone here.
    """
    scan = _Scan(text, lowered)
    found: list[Field] = []
    at = names = 0
    while (stem := stem_pattern.search(lowered, at)) is not None:
        before = lowered[max(at, stem.start() - _NAME_MAX) : stem.start()]
        start = stem.start() - len(before) + len(before.rstrip(_NAME_CHARACTERS))
        if text[start - 1 : start] == "%":
            start = min(_end(_ENCODED_BEFORE, lowered, start), stem.start())
        elif text[start - 1 : start] == "\\":
            start = min(_end(_ESCAPED_BEFORE, lowered, start), stem.start())
        at = _end(_NAME_REST, lowered, stem.end())
        name = text[start:at].strip(".$")
        verdict = judge(name)
        if verdict.value >= NameVerdict.PLURAL.value:
            names += 1
            for field in scan.values(name, start, at, verdict):
                is_count = verdict is NameVerdict.PLURAL and text[field.start : field.end].strip().isdecimal()
                if field.end > field.start and not is_count:
                    found.append(field)
                at = max(at, field.end)
            if max(names, len(found)) >= NAMES_MAX:
                return found, at
    return found, len(text)


@cache
def _nested(quote: str) -> re.Pattern[str]:
    """The inside of a nested text: up to its quote, or where that is missing, to the end of the text around it."""
    around = "'" if quote[-1] == "'" else '"'
    return lazy_pattern(rf"(?:(?!(?<!\\)(?<!\\x5c)(?<!\\u005c){re.escape(quote)})(?:\\.|[^{around}\\]))*+", re.DOTALL)


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


class _Scan:
    """The text under search, and the end of its last run without a delimiter, so that it is measured only once."""

    __slots__ = ("_lowered", "_run_end", "_run_start", "_text")

    def __init__(self, text: str, lowered: str) -> None:
        self._text = text
        self._lowered = lowered
        self._run_start = self._run_end = -1

    def values(self, name: str, start: int, end: int, verdict: NameVerdict) -> list[Field]:
        """The values of the name at text[start:end]; none where it is only a word.

        An empty field means that the text up to its end has been searched.
        """
        text, lowered = self._text, self._lowered
        known = name.lower() in HEADER_KINDS
        if (part := form_part(text, lowered, start, end) or element(text, start, end)) is not None:
            return [Field(name, *part, Syntax.TEXT)]
        after = _AFTER_NAME.match(text, end)
        if after is None:
            pair = PAIR.match(text, end) or (_HEADER_PAIR.match(text, end) if known or "-" in name else None)
            if pair is None and (lowered[start] == "-" or text[max(0, start - 1) : start] == "-"):
                pair = _FLAG_VALUE.match(text, end)
            if pair is None and ATTRIBUTE_BEFORE.search(lowered, max(0, start - 16), start):
                pair = ATTRIBUTE.match(text, end)
            if pair is None:
                other = value_before(text, lowered, start) or log_word(text, name, start, end)
                return [Field(name, *other, Syntax.JSON)] if other else []
            at = _end(_ESCAPED_LINES, text, pair.end())
            found = self._value(name, at, verdict, pair.groupdict().get("close") or "")
            # A name that is a value itself, and the key of the next member of the object.
            return [] if found and _KEY_END.match(text, found[-1].end) else found
        if lowered[max(0, start - 11) : start].endswith(("unexpected ", "illegal ")):
            return []
        at, separator = _end(_ESCAPED_LINES, text, after.end()), after["separator"]
        if separator == ":" and not after["close"]:
            block = block_lines(text, start, after.end("separator"))
            if block is not None:
                return [
                    *(Field(name, *line, Syntax.TEXT) for line in block[0]),
                    Field(name, block[1], block[1], Syntax.TEXT),
                ]
            if "\n" in text[after.end("separator") : at] and _NEXT_LINE.match(text, at):
                return []
        if separator.startswith("%"):
            opened = _OPEN.match(text, at)
            if opened is not None:
                return self._value(name, at, verdict)
            return [Field(name, at, _end(_ENCODED, text, at), Syntax.URL)]
        if not after["close"] and separator == ":" and _OPEN.match(text, at) is None and text[at : at + 1] not in "[{":
            line_start = self._starts_line(start)
            if known or line_start or text[max(0, start - 1) : start] in {"'", '"', "`"}:
                line_end = self._line_end(at, to_quote=not line_start)
                if known and _SCHEME_ALONE.fullmatch(text, at, line_end):
                    folded = _FOLDED.match(text, line_end)
                    return [Field("", *folded.span("word"), Syntax.TEXT)] if folded else []
                return [Field(name, at, line_end, Syntax.TEXT)]
        return self._value(name, at, verdict, after["close"] or "", assigned=separator == "=" and not after["close"])

    def _starts_line(self, start: int) -> bool:
        before = self._text[max(0, start - 24) : start].rstrip(" \t-")
        return (not before and start <= 24) or before.endswith(("\n", "\r", "\\n", "\\r"))

    def _line_end(self, at: int, *, to_quote: bool) -> int:
        """The end of the line, without the white space and comma that belong to the grammar."""
        line = self._text[at : _end(_LINE_TO_QUOTE if to_quote else _LINE, self._text, at)]
        return at + len(line.rstrip().removesuffix(","))

    def _value(
        self, name: str, at: int, verdict: NameVerdict, close: str = "", *, assigned: bool = False
    ) -> list[Field]:
        """The values at `at`, after a name, the quote `close` if it has one, and a separator."""
        text = self._text
        opened = _OPEN.match(text, at)
        if opened is not None:
            field = self._quoted(name, opened.end(), opened["quote"])
            # The quote may close the string that the name is in: then the value is what follows the string.
            closes = close != '"' and _CLOSES.match(text, opened.start("quote"))
            return [field._replace(name="", start=at) if closes else field]
        if (inner := bracketed(text, at)) is not None:
            return [Field(name, *inner, Syntax.TEXT)]
        if text[at : at + 1] in {"[", "{"} and text[at + 1 : at + 2] != "{":
            return self._leaves(name, at, verdict, outside_string=close == '"')
        form = assigned and self._form_like(at)
        syntax = Syntax.URL if assigned else Syntax.BARE_WORD if close else Syntax.TEXT
        return self._bare(name, at, _end(_FORM if form else _WORD, text, at), verdict, syntax)

    def _form_like(self, at: int) -> bool:
        """Whether another parameter follows the value at `at`, so that the value ends there and not before."""
        if not self._run_start <= at <= self._run_end:
            self._run_start, self._run_end = at, _end(_FORM, self._text, at)
        return self._text[self._run_end : self._run_end + 1] == "&"

    def _bare(self, name: str, start: int, end: int, verdict: NameVerdict, syntax: Syntax) -> list[Field]:
        number = _NUMBER.fullmatch(self._text, start, end)
        if number is None and syntax is not Syntax.URL:
            start = _end(_SIGNS, self._text, start)
        if number is None:
            return [Field(name, start, end, syntax)]
        if verdict is NameVerdict.PLURAL:
            return []
        return [Field(name, number.start(1), end, Syntax.NUMBER)]

    def _quoted(self, name: str, start: int, quote: str) -> Field:
        """The field inside a quote; where it is never closed, up to the end of the text, or of the line of a URL."""
        text = self._text
        if quote[0] in "\"'":
            end = _end(_UNQUOTED if quote[0] == '"' else _UNTICKED, text, start)
        elif quote.startswith("\\"):
            end = _end(_nested(quote), text, start)
        elif quote[0] in "%&":
            end = _end(_ENCODED_QUOTED[quote], text, start)
        else:
            end = text.find(quote, start)
        if end < 0:
            end = len(text)
        if end == len(text) and quote.startswith("%"):
            end = _end(_LINE, text, start)
        return Field(name, start, end, Syntax.URL if quote.startswith("%") else Syntax.JSON)

    def _leaves(self, name: str, at: int, verdict: NameVerdict, *, outside_string: bool) -> list[Field]:
        """Every text and number inside the array or object at `at`; its keys are names, not values.

        Unless `outside_string`, `at` may lie inside a string, so that the next quote closes it.
        """
        text = self._text
        found: list[Field] = []
        depth, key = 0, ""
        while len(found) < NAMES_MAX and (leaf := _LEAF.search(text, at)) is not None:
            at = leaf.end()
            if leaf["open"]:
                depth += 1
            elif leaf["close"]:
                depth -= 1
                if depth <= 0:
                    break
            elif not outside_string and leaf["quote"] and _CLOSES.match(text, leaf.start()):
                continue
            elif leaf["quote"]:
                field = self._quoted(name, at, leaf["quote"])
                at = field.end + len(leaf["quote"]) if text.startswith(leaf["quote"], field.end) else field.end
                if _KEY.match(text, at):
                    key = text[field.start : field.end]
                elif key not in _OPEN_KEYS:
                    found.append(field)
            elif leaf["bare"] and _KEY.match(text, at):
                key = leaf["bare"]
            elif leaf["bare"] and key not in _OPEN_KEYS:
                found += self._bare(name, leaf.start(), leaf.end(), verdict, Syntax.BARE_WORD)
        found.append(Field(name, at, at, Syntax.TEXT))
        return found
