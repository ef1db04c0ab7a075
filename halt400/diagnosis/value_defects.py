"""Values that no program means to send: unrendered templates, the text of program objects, JSON encoded twice.

Found in the request itself, whatever the server says. Sources: ECMAScript (`[object Object]`, `undefined`, `NaN`,
`Invalid Date`: https://tc39.es/ecma262/), Python's reprs (https://docs.python.org/3/library/functions.html#repr), Go's
fmt (https://pkg.go.dev/fmt#hdr-Format_errors), Java's Object.toString, RFC 6570 and the template languages of Postman,
Jinja, ERB and JavaScript.
"""

# ruff: noqa: E501 - a table of expressions or sources reads best with one entry a line
from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from halt400.lazy_patterns import lazy_pattern

__all__ = ["ValueDefect", "defect_in", "may_hold_defects"]


class ValueDefect(Struct, frozen=True):
    """One defect of a value: its kind, what it is, the remedy, and how sure a refusal has this cause.

    Attributes
    ----------
    refused, unseen
        The confidence where a server refused, and where there is no answer yet.
    start, end
        The part of the value, in characters.
    mended
        The value as it is meant, None where that is not known; an empty text means to leave the field out.
    """

    kind: str
    detail: str
    remedy: str
    refused: float
    unseen: float
    start: int = 0
    end: int = 0
    mended: str | None = None


_IN_URLS = (
    "{", "%7B", "%7b", "/:", "/%3A", "/%3a", "%25", "%s", "%d", "undefined", "None", "NaN", "null", "True", "False", "bject", "nvalid", "nil",
    "<", "%3C", "%3c", "['", "[%27", "%5B%27", "%5b%27", "%28%27", "('", "b'", "b%27", "System.", "UUID(", "datetime", "%!", "%40", "@", "YOUR", "your", "INSERT",
)  # fmt: skip
_IN_BODIES = lazy_pattern(
    rb"\[object |\[L|NaN|None\"|Invalid [Dd]ate|\{\{|\{[A-Za-z_]\w*\}|\$\{|#[{<]|<(?:nil>|%|class|function|generator|[\w.]+ object|your)|%[sd(!]|System\.|Decimal\(|UUID\(|YOUR_|your[-_]"
)
_WORDS_IN_BODIES = (b"undefined", b"datetime.")
"""Their first letters are frequent in JSON, so that each is searched for by itself."""
_search_urls = re.compile("|".join(map(re.escape, _IN_URLS))).search
_EXACT = {
    "undefined": ("undefined", "undefined is JavaScript's text for a variable without a value", 0.85, 0.6),
    "NaN": ("nan", "NaN is the text of a number that could not be computed", 0.82, 0.6),
    "Invalid Date": ("nan_date", "Invalid Date is JavaScript's text for a date that could not be read", 0.9, 0.8),
    "Invalid date": ("nan_date", "Invalid date is the text of a date that could not be read", 0.9, 0.8),
    "Invalid DateTime": ("nan_date", "Invalid DateTime is Luxon's text for a date that could not be read", 0.9, 0.8),
    "None": ("none", "None is Python's null", 0.8, 0.55),
    "<nil>": ("none", "<nil> is Go's text for a nil value", 0.85, 0.7),
    "nil": ("none", "nil is the text of an absent value", 0.55, 0.0),
    "null": ("null", "null is the text of an absent value; a URL leaves the parameter out", 0.6, 0.0),
}
_NUMBER_OF_PYTHON = {"True": "true", "False": "false"}
_NAME = r"[A-Za-z_][\w.\- \[\]|()']{0,60}?"
_PATTERNS: tuple[tuple[str, re.Pattern[str], str, float, float], ...] = (
    ("object", lazy_pattern(r"\[object [A-Z]\w{0,40}\]"), "the text of a JavaScript object in the place of its data", 0.9, 0.85),
    ("object", lazy_pattern(r"<(?:[\w.]{1,80} object at 0x|generator object |function |class '|bound method |built-in |Response \[)[^>]{0,120}>"), "the text of a Python object in the place of its data", 0.9, 0.85),
    ("object", lazy_pattern(r"#<[A-Z][\w:]{0,60}(?::0x[0-9a-f]+)?[^>]{0,120}>"), "the text of a Ruby object in the place of its data", 0.88, 0.7),
    ("object", lazy_pattern(r"(?:[a-z]\w*\.){1,8}[A-Z]\w*@[0-9a-f]{5,8}|\[L[a-z][\w.]{1,80};@[0-9a-f]{5,8}"), "the text of a Java object in the place of its data", 0.88, 0.75),
    ("object", lazy_pattern(r"System\.(?:Collections\.Generic\.[\w`]+\[[\w.\[\]]{1,80}\]|(?:String|Int32|Object|Byte)\[\])"), "the text of a .NET object in the place of its data", 0.88, 0.75),
    ("object", lazy_pattern(r"(?:datetime\.(?:date|datetime|timedelta)|Decimal|UUID)\((?:'[^']{0,40}'|[\d, ]{1,60})\)"), "the repr of a Python object in the place of its text", 0.88, 0.8),
    ("format_error", lazy_pattern(r"%!(?:\w\([^)]{0,60}\)|\(EXTRA [^)]{0,60}\))"), "a format error of Go's fmt", 0.88, 0.8),
    ("template", lazy_pattern(r"\{\{\s{0,3}[$@#]?" + _NAME + r"\s{0,3}\}\}"), "a template variable that was not filled in", 0.9, 0.7),
    ("template", lazy_pattern(r"[$#]\{\s{0,3}" + _NAME + r"\s{0,3}\}"), "a template variable that was not filled in", 0.88, 0.65),
    ("template", lazy_pattern(r"<%=?\s{0,3}" + _NAME + r"\s{0,3}%>"), "a template variable that was not filled in", 0.9, 0.7),
    ("template", lazy_pattern(r"%\([A-Za-z_]\w{0,40}\)[sdrf]"), "a format directive that was not filled in", 0.9, 0.7),
    ("placeholder", lazy_pattern(r"<(?:your|insert|my|enter)[\w -]{1,40}>|\bYOUR_[A-Z_]{2,40}\b|\bINSERT_[A-Z_]{2,40}_HERE\b|\byour[-_](?:api[-_])?(?:key|token|secret|id)(?:[-_]here)?\b"), "a placeholder of the documentation in the place of a value", 0.85, 0.6),
)  # fmt: skip
_WHOLE: tuple[tuple[str, re.Pattern[str], str, float, float], ...] = (
    ("nan_date", lazy_pattern(r"(?=.{0,12}NaN)(?:\d{0,4}NaN|aN|\d{1,4})[-/.](?:0?NaN|aN|\d\d?)[-/.](?:\d{0,2}NaN|aN|\d{1,4})(?:[T ].{0,24})?|(?:0?NaN|aN):(?:0?NaN|aN)(?::(?:0?NaN|aN))?"), "a date that could not be read became NaN", 0.9, 0.8),
    ("template", lazy_pattern(r"%[sdif]"), "a format directive that was not filled in", 0.86, 0.6),
    ("template", lazy_pattern(r"\{[A-Za-z_]\w{0,40}\}"), "a template variable that was not filled in", 0.86, 0.6),
    ("template", lazy_pattern(r"\{[A-Za-z][A-Za-z]{1,20}(?:[ -][A-Za-z]{1,20}){1,4}\}"), "a placeholder of the documentation in the place of a value", 0.86, 0.55),
    ("list", lazy_pattern(r"\[(?:u?'[^']*'|None|True|False|-?[\d.]+)(?:, (?:u?'[^']*'|None|True|False|-?[\d.]+))*\]"), "the repr of a Python list", 0.86, 0.6),
    ("list", lazy_pattern(r"\((?:u?'[^']*'|-?[\d.]+)(?:, (?:u?'[^']*'|-?[\d.]+))*,?\)|\{'[^':]*'(?:, '[^':]*')*\}"), "the repr of a Python tuple or set", 0.8, 0.5),
    ("bytes", lazy_pattern(r"b'[^']{1,400}'"), "the repr of Python bytes", 0.85, 0.65),
)  # fmt: skip
_SEGMENT: tuple[tuple[str, re.Pattern[str], str, float, float], ...] = (
    ("template", lazy_pattern(r":[A-Za-z_][\w]{0,40}"), "a path parameter that was not filled in", 0.86, 0.55),
    (
        "template",
        lazy_pattern(r"<(?:\w{1,12}:)?[A-Za-z_][\w-]{0,40}>"),
        "a path parameter that was not filled in",
        0.86,
        0.6,
    ),
)
_REMEDIES = {
    "undefined": "Give {name} its value before the request is built, or leave it out.",
    "nan": "Compute {name} before the request is built, or leave it out.",
    "nan_date": "Check that the date of {name} could be read before it is written.",
    "none": "Leave {name} out where it has no value.",
    "null": "Leave {name} out where it has no value.",
    "python_bool": "Write {mended} in lower case: str(bool) of Python is not what APIs read.",
    "object": "Write the data of {name} itself: convert or serialise the object before it is put into the request.",
    "format_error": "Give the format the values that its directives ask for.",
    "template": "Fill in {name} before the request is sent; the template's text was sent as it is.",
    "placeholder": "Replace the placeholder of {name} by the real value.",
    "list": "Repeat the parameter for each element, or join them with commas as the API documents.",
    "bytes": "Decode the bytes of {name} (value.decode()) before they are put into the request.",
}


def may_hold_defects(text: str | bytes) -> bool:
    """Whether a URL or a body may hold one of the defects; most do not, and are not looked at value by value."""
    if isinstance(text, bytes):
        return _IN_BODIES.search(text) is not None or any(word in text for word in _WORDS_IN_BODIES)
    return _search_urls(text) is not None


def defect_in(value: str, part: str) -> ValueDefect | None:
    """The defect of one decoded value.

    Parameters
    ----------
    value
        The value.
    part
        segment, query, form or json.

    Examples
    --------
    >>> defect_in("{{orderId}}", "json").kind, defect_in("True", "query").mended, defect_in("blue", "query")
    ('template', 'true', None)
    """
    exact = _EXACT.get(value)
    if exact is not None:
        return _exact(value, part, *exact)
    if value in _NUMBER_OF_PYTHON and part in ("query", "form"):
        mended = _NUMBER_OF_PYTHON[value]
        detail = f"{value} is Python's; most APIs read {mended}"
        return ValueDefect("python_bool", detail, _REMEDIES["python_bool"], 0.55, 0.0, 0, len(value), mended)
    for kind, pattern, detail, refused, unseen in _patterns(part):
        found = pattern.fullmatch(value)
        if found is not None:
            return ValueDefect(kind, detail, _REMEDIES[kind], refused, unseen, 0, len(value))
    for kind, pattern, detail, refused, unseen in _PATTERNS:
        found = pattern.search(value)
        if found is None:
            continue
        whole = found.end() - found.start() == len(value)
        if part == "json" and not whole:
            # A text may be about such things: a template of a message, a traceback in a bug report.
            refused, unseen = (0.5, 0.0) if len(value) < 200 else (0.0, 0.0)
        elif part == "json":
            unseen = min(unseen, 0.55)
        return ValueDefect(kind, detail, _REMEDIES[kind], refused, unseen, found.start(), found.end())
    return None


def _patterns(part: str) -> Iterator[tuple[str, re.Pattern[str], str, float, float]]:
    if part == "segment":
        yield from _SEGMENT
    if part == "json":
        yield from _WHOLE[:3]
    else:
        yield from _WHOLE


def _exact(value: str, part: str, kind: str, detail: str, refused: float, unseen: float) -> ValueDefect | None:
    if part == "json":
        if kind == "null" or value == "nil":
            return None
        refused, unseen = (refused - 0.1, min(unseen, 0.5)) if kind != "nan_date" else (refused, unseen)
        unseen = 0.0 if kind == "none" else unseen
    mended = "" if kind in ("none", "null") and part in ("query", "form") else None
    return ValueDefect(kind, detail, _REMEDIES[kind], refused, unseen, 0, len(value), mended)
