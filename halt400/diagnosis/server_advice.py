"""What a server says would be right: a replacement, the allowed values, a limit, a pattern, a type.

Read from its sentences and from the members that validators add to an error: pydantic (``ctx``), ajv (``params``), zod
(``options``, ``minimum``), joi (``context``), JSON Schema validators. The sentences are those of the validators' sources
and of the APIs in the labelled corpus, each with its address.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from halt400.lazy_patterns import lazy_pattern

__all__ = ["Advice", "advice_in", "structured_advice"]

_LIMIT = 1200
_Q = r"[\"'`‘’“”]"
_NAME = r"[\w$@.\[\]/-]{1,80}"
_NUMBER = r"(-?\d[\d,_]*(?:\.\d+)?)(?!\d*[-/:]\d)"
_REPLACEMENT = tuple(
    lazy_pattern(pattern, re.IGNORECASE)
    for pattern in (
        rf"did you mean (?:to use |to write |the (?:enum )?(?:value|field|parameter|type) |one of )?:?\s?{_Q}({_NAME}){_Q}",
        r"did you mean (?:any of )?\[([\w.-]{1,60})[\],]",
        r"did you mean (?:to use )?:?\s?([A-Za-z_][\w.-]{1,60})\s?\?",
        rf"\buse (?:the )?(?:new )?(?:parameter |field |value |header |param )?{_Q}({_NAME}){_Q}(?: (?:parameter|field|value|param))?(?: instead|[.;,]|$)",
        r"\buse (?:the )?(?:parameter |field )?([a-z]\w*_\w+|[a-z]+[A-Z]\w*)(?: (?:parameter|field))? instead",
        rf"(?:renamed to|replaced (?:by|with)|superseded by|deprecated in favou?r of|perhaps you meant|you meant|instead use|please use)[: ]\s?{_Q}?({_NAME})",
        rf"(?:should|must) (?:be|equal)(?: exactly)? {_Q}({_NAME}){_Q}(?!\s?(?:,|or\b|\|))",
    )
)
_LIST = r"([\[({][^\])}]{1,400}[\])}]|(?:[\"'`‘’“”]?[\w.+/:@$ -]{1,60}[\"'`‘’“”]?(?:,? (?:or|and) |, ?| ?\| ?)){1,40}[\"'`‘’“”]?[\w+/:@$-]{1,60}[\"'`‘’“”]?)"
_ALLOWED = tuple(
    lazy_pattern(pattern, re.IGNORECASE)
    for pattern in (
        rf"one of(?: the)?(?: following| these| allowed)?(?: values| options)?(?: are)?:? {_LIST}",
        rf"(?:allowed|valid|accepted|supported|permitted|possible|available|acceptable|expected) (?:values?|options?|choices?|fields?|types?|elements?(?: expected)?|statuses|formats?)?(?: (?:are|is|include))?\s?[:=]\s?{_LIST}",
        rf"(?:allowed|valid|accepted|supported|permitted|possible|available|acceptable) (?:values?|options?|choices?|types?|formats?) (?:for \S+ )?(?:are|is|include):? {_LIST}",
        r"enum value set: (\[[^\]]{1,400}\])",
        rf"(?:not in|is not one of|is not included in|must be in|must be either|should be either|input should be|has to be one of|must be any of|must be) (?:the list )?(\[[^\]]{{1,400}}\]|\([^)]{{1,400}},[^)]{{1,400}}\)|\{{[^}}]{{1,400}}\}}|{_Q}[^\"'`]{{1,60}}{_Q}(?:(?:,? or |, ?| ?\| ?){_Q}[^\"'`]{{1,60}}{_Q}){{1,40}})",
        rf"expected (?:one of )?({_Q}[^\"'`]{{1,60}}{_Q}(?:(?:,? or |, ?| ?\| ?){_Q}[^\"'`]{{1,60}}{_Q}){{1,40}})",
        r"expected (?:field|one of)?\s?((?:\[[\w.-]{1,40}\](?:, | or )?){2,20})",
        r"one of '?(\{[^}]{1,400}\})'? is expected",
    )
)
_MOST = lazy_pattern(
    r"(?:at most|(?:no|not) (?:more|greater|larger|longer|higher) than|not (?:to )?exceed(?:ing)?|less than or equal to|lower than or equal to|<=|≤"
    r"|max(?:imum)?(?: allowed)?(?: value| length| size| number| page size| limit)?(?: \w+)?(?: is| of| allowed is|:|=)?|up to|exceeds?(?: the)? (?:maximum|limit|max)(?: \w+){0,3}?(?: of)?)\s?:?\s?"
    rf"{_NUMBER}",
    re.IGNORECASE,
)
_LEAST = lazy_pattern(
    r"(?:at least|(?:no|not) (?:less|fewer|smaller|lower|shorter) than|greater than or equal to|higher than or equal to|>=|≥"
    rf"|min(?:imum)?(?: allowed)?(?: value| length| size| number)?(?: is| of|:|=)?)\s?:?\s?{_NUMBER}",
    re.IGNORECASE,
)
_UNDER = lazy_pattern(rf"(?:less|lower|smaller|fewer|shorter) than {_NUMBER}|< ?{_NUMBER}", re.IGNORECASE)
_OVER = lazy_pattern(rf"(?:greater|higher|more|larger|longer) than {_NUMBER}|> ?{_NUMBER}", re.IGNORECASE)
_NEGATED = lazy_pattern(r"(?:no|not|cannot|can't|cannot be|must not be|n't be|not be)\s$", re.IGNORECASE)
_BETWEEN = lazy_pattern(
    rf"(?:between|in (?:the )?range(?: of)?|range(?: is|:)?|from|within)\s?[\[(]?{_NUMBER}\s?(?:,|and|to|-|–|\.\.)\s?{_NUMBER}", re.IGNORECASE
)  # fmt: skip
_LENGTH = lazy_pattern(
    r"charact|\blong\b|\blength\b|\bitems?\b(?![.\[_])|\belements?\b|\bentries\b|\bbytes\b|\bids\b", re.IGNORECASE
)
_PATTERN = lazy_pattern(
    r"(?:pattern|regex(?:p|ular expression)?|match(?:es)?)(?: the)?(?: (?:pattern|regex|regular expression|format))?\s?:?\s?[\"'`/]?(\^.{1,200}?\$)(?=[\"'`/]|\s|$|[.,]\s|\.$)",
    re.IGNORECASE,
)
_FORMAT = lazy_pattern(r"(?:format|formatted as|in the form(?:at)?(?: of)?)[ :=(\"'`]{1,4}((?:YYYY|yyyy|HH|DD|MM|dd)[\w:./TZ +-]{3,30}|RFC ?3339|ISO[ -]?8601)|\b(YYYY-MM-DD[\w:.+-]{0,20})\b|\b(RFC ?3339|ISO[ -]?8601)\b", re.IGNORECASE)  # fmt: skip
_TYPES = {
    "int": "integer", "int32": "integer", "int64": "integer", "integer": "integer", "whole number": "integer", "long": "integer", "uint32": "integer", "uint64": "integer",
    "float": "number", "double": "number", "number": "number", "numeric": "number", "decimal": "number", "numeric value": "number", "number value": "number",
    "string": "string", "str": "string", "text": "string", "bool": "boolean", "boolean": "boolean", "boolean value": "boolean",
    "array": "array", "list": "array", "object": "object", "map": "object", "dict": "object", "dictionary": "object",
    "uuid": "uuid", "email": "email", "email address": "email", "url": "url", "uri": "url", "date": "date", "datetime": "datetime", "timestamp": "timestamp", "date-time": "datetime",
}  # fmt: skip
_TYPE_WORD = "|".join(sorted(map(re.escape, _TYPES), key=len, reverse=True))
_TYPE = lazy_pattern(
    rf"(?:must be|should be|has to be|needs to be|expected|expects?|is not|not|want(?:ed)?|be of type|of type|type|to be|valid value for)(?: of type| type| to be)?[: ](?:an? )?(?:valid |positive |non-negative |whole )?{_Q}?({_TYPE_WORD}){_Q}?\b"
    rf"|\ban? valid ({_TYPE_WORD})\b"
    r"|\(TYPE_(INT32|INT64|UINT32|UINT64|FLOAT|DOUBLE|BOOL|STRING)\)|\b(Int|Float|Boolean|String) cannot represent",
    re.IGNORECASE,
)


class Advice(Struct):
    """What would be right, as far as the server says it.

    Attributes
    ----------
    least, most
        A limit, inclusive; of the length where `of_length`.
    kind
        integer, number, string, boolean, array, object, uuid, email, url, date, datetime or timestamp.
    """

    replacement: str | None = None
    allowed: list[str] = []
    least: float | None = None
    most: float | None = None
    of_length: bool = False
    pattern: str | None = None
    format: str | None = None
    kind: str | None = None

    @property
    def says_something(self) -> bool:
        """Whether there is any advice."""
        return bool(self.replacement or self.allowed or self.pattern or self.format or self.kind) or (
            self.least is not None or self.most is not None
        )


def advice_in(message: str) -> Advice:
    """Read the advice of a sentence.

    Examples
    --------
    >>> advice_in("Unknown parameter 'max'. Use 'limit' instead.").replacement
    'limit'
    >>> advice_in("sort must be one of [asc, desc]").allowed, advice_in("limit must be between 1 and 100").most
    (['asc', 'desc'], 100.0)
    """
    message = message[:_LIMIT]
    advice = Advice()
    for pattern in _REPLACEMENT:
        found = pattern.search(message)
        if found is not None:
            advice.replacement = found[1].rstrip(".")
            break
    for pattern in _ALLOWED:
        found = pattern.search(message)
        if found is not None:
            advice.allowed = _items(found[1])
            if len(advice.allowed) > 1:
                break
            if advice.allowed and found[0].endswith("is expected"):
                advice.replacement = advice.replacement or advice.allowed[0]
            advice.allowed = []
    if any(character.isdigit() for character in message):
        _limits(message, advice)
    pattern_found = _PATTERN.search(message)
    if pattern_found is not None:
        advice.pattern = pattern_found[1]
    format_found = _FORMAT.search(message)
    if format_found is not None:
        advice.format = next(group for group in format_found.groups() if group)
    kind = _TYPE.search(message)
    if kind is not None:
        word = next(group for group in kind.groups() if group).lower()
        advice.kind = _TYPES.get(word, "integer")
    return advice


def _items(text: str) -> list[str]:
    inner = text.strip()
    if inner[:1] in "[({" and inner[-1:] in "])}":
        inner = re.sub(r"\]\s?(?:,|or)?\s?\[", ",", inner[1:-1])
    inner = re.sub(r"\"[^\"]{0,200}\":", "", inner)  # the namespaces that Xerces writes before names
    parts = re.split(r",? (?:or|and) |, ?| ?\| ?", inner)
    found = [part.strip().strip("\"'`‘’“”[]{}()").strip() for part in parts]
    return [part for part in dict.fromkeys(found) if part and len(part) <= 60][:40]


def _limits(message: str, advice: Advice) -> None:
    between = _BETWEEN.search(message)
    if between is not None:
        advice.least, advice.most = _number(between[1]), _number(between[2])
    else:
        most, least = _MOST.search(message), _LEAST.search(message)
        advice.most = _number(most[1]) if most is not None else None
        advice.least = _number(least[1]) if least is not None else None
        if advice.most is None and advice.least is None:
            under, over = _UNDER.search(message), _OVER.search(message)
            if under is not None:
                advice.most, advice.least = _strict(message, under, -1)
            elif over is not None:
                advice.least, advice.most = _strict(message, over, 1)
    if advice.most is not None or advice.least is not None:
        advice.of_length = _LENGTH.search(message) is not None


def _strict(message: str, found: re.Match[str], step: int) -> tuple[float | None, float | None]:
    """A limit that must not be reached, as the nearest whole number; the other side where the words before deny it."""
    number = _number(found[1] or found[2])
    if _NEGATED.search(message[: found.start()]):
        return None, number
    return (number + step if number is not None else None), None


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return None


_MOST_KEYS = ("le", "lte", "max", "maximum", "limit_value", "max_length", "max_items", "maxlength")
_LEAST_KEYS = ("ge", "gte", "min", "minimum", "min_length", "min_items", "minlength")
_ALLOWED_KEYS = (
    "allowedvalues",
    "allowed_values",
    "enum",
    "enum_values",
    "options",
    "valids",
    "valid_values",
    "validvalues",
    "choices",
    "possible_values",
    "acceptedvalues",
    "permitted",
    "supported_values",
)
_REPLACEMENT_KEYS = ("suggestion", "suggestions", "did_you_mean", "didyoumean", "replacement", "use_instead")
_PATTERN_KEYS = ("pattern", "regex")


def structured_advice(document: Any) -> Advice:
    """Read the advice that an error document has in members of its own.

    Examples
    --------
    >>> structured_advice({"detail": [{"type": "less_than_equal", "ctx": {"le": 100}}]}).most
    100.0
    """
    advice = Advice()
    pending: list[tuple[Any, int]] = [(document, 0)]
    nodes = 0
    while pending and nodes < 400:
        value, depth = pending.pop(0)
        nodes += 1
        if isinstance(value, list):
            pending.extend((item, depth + 1) for item in value[:32] if isinstance(item, dict | list))
        elif isinstance(value, dict):
            for name, item in list(value.items())[:64]:
                _member(name.lower(), item, advice, depth)
                if isinstance(item, dict | list):
                    pending.append((item, depth + 1))
    return advice


def _member(name: str, item: Any, advice: Advice, depth: int) -> None:
    if isinstance(item, int | float) and not isinstance(item, bool) and depth:
        if advice.most is None and name in _MOST_KEYS:
            advice.most, advice.of_length = float(item), "length" in name or "items" in name
        elif advice.least is None and name in _LEAST_KEYS:
            advice.least, advice.of_length = float(item), "length" in name or "items" in name
    elif isinstance(item, list) and not advice.allowed and name in _ALLOWED_KEYS:
        texts = [text for text in item if isinstance(text, str)]
        advice.allowed = texts[:40] if len(texts) == len(item) else []
    elif isinstance(item, str) and item:
        if advice.replacement is None and name in _REPLACEMENT_KEYS and len(item) <= 80 and " " not in item:
            advice.replacement = item
        elif advice.pattern is None and name in _PATTERN_KEYS and len(item) <= 200:
            advice.pattern = item
    elif isinstance(item, list) and item and isinstance(item[0], str) and name in _REPLACEMENT_KEYS:
        advice.replacement = advice.replacement or item[0][:80]
