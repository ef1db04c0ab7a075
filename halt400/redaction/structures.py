"""Where the value of a name stands in a structure around it: a form's part, an element, a pair, a block of YAML.

Each looks at a bounded piece of the text, or at the value alone.
"""

import re
from functools import cache

from halt400.lazy_patterns import lazy_pattern

__all__ = [
    "ATTRIBUTE",
    "ATTRIBUTE_BEFORE",
    "PAIR",
    "QUOTE",
    "block_lines",
    "bracketed",
    "element",
    "form_part",
    "log_word",
    "value_before",
]

Span = tuple[int, int]

QUOTE = r"""\\{0,7}["'`]|\\{1,3}(?:u00|x)2[27]|%22|%27|&quot;|&\#34;|&\#39;"""
_MEMBER = rf"""(?:{QUOTE})(?!value|val\b)[\w-]{{1,40}}(?:{QUOTE})\s{{0,16}}+:\s{{0,16}}+"""
PAIR = lazy_pattern(
    rf"""\]?(?P<close>{QUOTE})\s{{0,16}}+,\s{{0,16}}+"""
    rf"""(?:{_MEMBER}(?:(?:{QUOTE})[^"'<>{{}}\\]{{0,128}}+(?:{QUOTE})|[\w.-]{{1,32}}+)\s{{0,16}}+,\s{{0,16}}+){{0,6}}+"""
    rf"""(?:(?:{QUOTE})val(?:ue)?(?:{QUOTE})\s{{0,16}}+:\s{{0,16}}+)""",
    re.IGNORECASE,
)
"""After a name that is a value itself: the member of the same object that has the secret."""
ATTRIBUTE_BEFORE = lazy_pattern(rf"""\b(?:name|id|property)\s?=\s?(?:{QUOTE})?\Z""")
"""Before the name in an element of HTML."""
_OTHER_ATTRIBUTE = (
    r"""[\w:-]{1,40}+"""
    rf"""(?:=(?:(?:{QUOTE})[^"'<>\\]{{0,128}}+(?:{QUOTE})|[^\s"'<>\\]{{1,128}}+))?"""
)
ATTRIBUTE = lazy_pattern(
    rf"""(?P<close>{QUOTE})?(?:\s{{1,16}}+(?!value|content){_OTHER_ATTRIBUTE}){{0,8}}+"""
    r"""\s{1,16}+(?:value|content)\s?=\s?""",
    re.IGNORECASE,
)
"""After such a name: the attribute of the same element that has the secret."""

_LOOK_BACK = 512
_VALUE_ATTRIBUTE = lazy_pattern(
    r"""(?:value|content)\s?=\s?(?:(?P<quote>\\?["'])(?P<quoted>[^"'<>\\]{0,400}+)(?P=quote)|(?P<bare>[^\s"'<>\\]{1,400}+))"""
    rf"""(?:\s{{1,16}}+(?!(?:name|id|property)\b){_OTHER_ATTRIBUTE}){{0,8}}+\s{{1,16}}+(?:name|id|property)\s?=\s?(?:{QUOTE})?\Z""",
    re.IGNORECASE,
)
_VALUE_MEMBER = lazy_pattern(
    r"""val(?:ue)?(?P<quote>\\?["'])\s{0,16}+:\s{0,16}+"""
    r"""(?:(?P=quote)(?P<quoted>(?:\\[^"'u]|\\u[0-9a-fA-F]{4}|[^"'\\]){0,400}?)(?P=quote)|(?P<bare>[\w.-]{1,64}+))"""
    r"""\s{0,16}+,[^{}]{0,200}?(?P=quote)(?:name|key|id|field)(?P=quote)\s{0,16}+:\s{0,16}+(?P=quote)\Z""",
    re.IGNORECASE,
)

_BRACKETED = lazy_pattern(r"""\((?P<inner>[^()\s"'`<>]*+)|(?P<tag><(?![/!?])[^<>\s"'`&]++>?)""")
_LOG_WORD = lazy_pattern(r"""\][ \t]{1,4}(?=[^\s"']{0,64}[0-9])(?=[^\s"']{0,64}[A-Za-z])(?P<word>[^\s"'<>,;&]{6,}+)""")
_LOG_PARTS = frozenset({"auth", "authentication", "authorization", "session", "cookie", "cookies", "credentials"})

_BLOCK = lazy_pattern(r"[ \t]{0,8}(?:[|>][+-]?[0-9]?[+-]?[ \t]{0,8}(?:#[^\r\n]{0,80})?)?\r?\n")
_ITEM = lazy_pattern(r"\s*+-[ \t]+")

_TAG_REST = lazy_pattern(r"(?:\s[^<>]{0,512}+)?>(?:\s*+<!\[CDATA\[)?")
_PREFIX = lazy_pattern(r"<[\w.-]{1,32}:")
_TAG_TEXT = lazy_pattern(r"[^<]*+")
_MULTIPART = lazy_pattern(
    r"""(?:(?!\\[rn])[^\r\n]){0,160}(?P<eol>\r?\n|\\r\\n|\\n)(?:[\w-]{1,40}:(?:(?!\\[rn])[^\r\n]){0,160}(?P=eol)){0,4}(?P=eol)"""
)
_PART_NAME = lazy_pattern(r"""name=\\{0,3}["']?[^"'\r\n;]{0,40}\Z""")
_PART_END = lazy_pattern(r"(?:\r?\n|\\r\\n|\\n)--")


def form_part(text: str, lowered: str, start: int, end: int) -> Span | None:
    """The content of the part of multipart/form-data that has the name at text[start:end], if there is one."""
    before = lowered[max(0, start - 64) : start]
    if "disposition" not in before or _PART_NAME.search(before) is None:
        return None
    header = _MULTIPART.match(text, end)
    if header is None:
        return None
    stop = _PART_END.search(text, header.end())
    return header.end(), stop.start() if stop else len(text)


def element(text: str, start: int, end: int) -> Span | None:
    """The text of the XML element that has this name, if there is one."""
    before = text[max(0, start - 34) : start]
    opening = before.rfind("<")
    if opening < 0 or not (opening == len(before) - 1 or _PREFIX.fullmatch(before, opening)):
        return None
    rest = _TAG_REST.match(text, end)
    if rest is None or rest[0].endswith("/>"):
        return None
    if rest[0].endswith("["):
        stop = text.find("]]>", rest.end())
        return rest.end(), stop if stop >= 0 else len(text)
    found = _TAG_TEXT.match(text, rest.end())
    return rest.end(), found.end() if found else rest.end()


def value_before(text: str, lowered: str, start: int) -> Span | None:
    """The value that comes before the name at `start`: ``<input value="..." name="password">``, or members so."""
    at = lowered.rfind("val", max(0, start - _LOOK_BACK), start)
    if at < 0:
        at = lowered.rfind("content", max(0, start - _LOOK_BACK), start)
    if at < 0:
        return None
    found = _VALUE_ATTRIBUTE.match(text, at, start) or _VALUE_MEMBER.match(text, at, start)
    if found is None:
        return None
    return found.span("quoted") if found["quoted"] is not None else found.span("bare")


def bracketed(text: str, at: int) -> Span | None:
    """A value in brackets, as in ``password=(...)``, without round ones: a placeholder has the others."""
    found = _BRACKETED.match(text, at)
    if found is None:
        return None
    return found.span("tag") if found["tag"] else found.span("inner")


def log_word(text: str, name: str, start: int, end: int) -> Span | None:
    """The word after ``[password]``, if it looks like more than a word: before it logs have parts of programs, too."""
    if text[start - 1 : start] != "[" or name.lower() in _LOG_PARTS:
        return None
    found = _LOG_WORD.match(text, end)
    return found.span("word") if found else None


def block_lines(text: str, start: int, end: int) -> tuple[list[Span], int] | None:
    """The lines of the block of YAML after ``password: |``, or the items of its list; and where it ends.

    Parameters
    ----------
    text, start
        The text, and where the name begins.
    end
        After the colon.
    """
    line = text.rfind("\n", max(0, start - 64), start) + 1
    indent = start - line
    before = text[line:start]
    if indent > 64 or before.strip(" -"):
        return None
    header = _BLOCK.match(text, end)
    if header is None:
        return None
    is_list = not header[0].strip()
    if is_list and _ITEM.match(text, header.end()) is None:
        return None
    at, spans = header.end(), []
    for found in _deeper(indent).finditer(text, at):
        if found.start() != at or found.end() == at:
            break
        at = found.end()
        item = _ITEM.match(found[0]) if is_list else None
        content = found.start() + (item.end() if item else 0)
        spans.append((content, found.start() + len(found[0].rstrip())))
    return [span for span in spans if span[1] > span[0]], at


@cache
def _deeper(indent: int) -> re.Pattern[str]:
    """A line that is empty or indented deeper."""
    return lazy_pattern(rf"[ \t]*+(?:\r?\n)|[ \t]{{{indent + 1},}}[^\r\n]*+(?:\r?\n|\Z)")
