"""The cause invalid_url_encoding: characters of the URL that must be escaped, or broken escapes.

Sources: RFC 3986 sections 2 and 3 (which characters are allowed where), the percent-encode sets of https://url.spec.whatwg.org/
(what browsers escape before they send), RFC 3629 (UTF-8, overlong forms). A character that browsers send raw although
RFC 3986 forbids it (``[ ] | ^ ` { }``) counts in the figure, and is a defect because Tomcat, IIS and strict gateways
refuse it.
"""

from __future__ import annotations

import re
from itertools import islice
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding, at_text
from halt400.diagnosis.server_phrases import mentions
from halt400.diagnosis.whatwg_url import parse_failure
from halt400.plural import plural
from halt400.records import Evidence

__all__ = ["PLACEHOLDER", "Component", "components", "find", "unescaped_count"]

_CLEAN = re.compile(
    r"https?://(?:[A-Za-z0-9_-]++\.)*+[A-Za-z](?:[A-Za-z0-9-]*+)(?::[0-9]{1,4})?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%(?:2[1-46-9A-Fa-f]|[3-7][0-9A-Ea-e]|20))*+)?"
    r"(?:\?(?:[A-Za-z0-9._~!$'()*+,;=:@/?-]|&(?!amp;)|%(?:2[1-46-9A-Fa-f]|[3-7][0-9A-Ea-e]|20))*+)?"
)
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_BAD = {
    "path": re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]|%(?![0-9A-Fa-f]{2})"),
    "query": re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]|%(?![0-9A-Fa-f]{2})"),
    "userinfo": re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:%-]|%(?![0-9A-Fa-f]{2})"),
}
_BAD["fragment"] = _BAD["query"]
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_HIGH_ESCAPE = re.compile(r"%[89A-Fa-f]")
_DOUBLE = re.compile(r"%25(?:[2-7][0-9A-Fa-f]|[cCdDeEfF][0-9A-Fa-f])")
_SINGLE = re.compile(r"%(?!25)[0-9A-Fa-f]{2}")
PLACEHOLDER = re.compile(r"\{\{?\s{0,4}[A-Za-z_][\w.-]{0,60}\s{0,4}\}?\}|\$\{[^}]{0,60}\}|<[A-Za-z_][\w -]{0,60}>")
_HTML_AMPERSAND = re.compile(r"&amp;(?=[A-Za-z_])")
_LINE_END = re.compile(r"%0[adAD]")
_CONTROL_ESCAPE = re.compile(r"%(?:0[1-8bBcCeEfF]|1[0-9a-fA-F]|7[fF])")
_LINE_END_IN_NAME = re.compile(r"(?:^|&)[^=&]{0,200}?%0[adAD]")
_HEADER_AFTER = re.compile(r"(?:%0[adAD]){1,4}[A-Za-z-]{2,40}(?::|%3[aA]|=)")
_NEVER_RAW = {" ": "a raw space", '"': "a raw double quote", "<": "a raw '<'", ">": "a raw '>'", "\\": "a backslash"}
_MAX_EXAMINED = 2_000
_MAX_URL_CHARS = 1 << 17
"""Characters of a URL that are examined: four times the longest that any server accepts."""
_CONFIDENCE = {
    "control": 0.95,
    "space": 0.92,
    "escape": 0.93,
    "non_ascii": 0.85,
    "quote": 0.75,
    "angle": 0.75,
    "backslash": 0.65,
    "placeholder": 0.75,
    "tolerated": 0.5,
    "bracket": 0.4,
}
_REFUSED = {"tolerated": 0.68, "bracket": 0.55, "quote": 0.85, "angle": 0.8, "backslash": 0.8}
_REMEDY = "Percent-encode each value before it goes into the URL: urllib.parse.quote(value, safe='')."
_REMEDIES = {
    "escape": "Write a literal % as %25, and send only escapes of two hexadecimal digits.",
    "placeholder": "Fill in the placeholder: the URL template was sent without its value.",
    "double": "Encode once: the value was percent-encoded already when it was encoded again.",
    "html": "Join the parameters with &, not &amp;: the URL was copied from HTML without unescaping it.",
    "utf8": "Encode the text as UTF-8 before percent-encoding it.",
    "nul": "Remove the NUL byte (%00) from the value.",
    "control": "Remove the control character from the value; no text has one.",
    "line_end": "Strip line ends from the value before it is encoded.",
    "root": "Resolve '..' before sending: the path may not leave the root.",
    "slash": "Pass the value in the query or the body, or ask the API's owner to let the escape through.",
}


class Component(Struct):
    """One component of a URL, with the index of its first character."""

    name: str
    text: str
    start: int


def components(url: str) -> list[Component]:
    """Split a URL as RFC 3986 appendix B does, and userinfo from the host.

    Examples
    --------
    >>> [(part.name, part.text) for part in components("https://a.example/x?y=1")]
    [('host', 'a.example'), ('path', '/x'), ('query', 'y=1')]
    """
    found = _PARTS.match(url)
    if found is None:
        return []
    parts = []
    if found[2] is not None:
        userinfo, at, host = found[2].rpartition("@")
        if at:
            parts.append(Component("userinfo", userinfo, found.start(2)))
        parts.append(Component("host", host, found.end(2) - len(host)))
    for group, name in ((3, "path"), (4, "query"), (5, "fragment")):
        if found[group]:
            parts.append(Component(name, found[group], found.start(group)))
    return parts


def unescaped_count(url: str) -> int:
    """Count the characters of a URL that should have been percent-encoded (RFC 3986); a broken escape counts as one.

    Examples
    --------
    >>> unescaped_count("https://shop.example/a b?q=x|y&r=100%")
    3
    """
    url = url[:_MAX_URL_CHARS]
    if _CLEAN.fullmatch(url):
        return 0
    return sum(len(_BAD[part.name].findall(part.text)) for part in components(url) if part.name in _BAD)


def find(exchange: Exchange) -> list[CauseFinding]:
    """Report broken escaping, and URLs that no client can parse.

    Examples
    --------
    >>> from halt400.records import Request
    >>> find(Exchange(Request(method="GET", url="https://shop.example/?q=blue shoes")))[0].evidence[0].detail
    'In the query: a raw space; 1 character of the URL should have been escaped (query 1).'
    """
    url = exchange.url[:_MAX_URL_CHARS]
    found: list[CauseFinding] = []
    if _CLEAN.fullmatch(url):
        exchange.cache["clean url"] = True
    else:
        relative = url.startswith("/") or url == "*" or exchange.method == "CONNECT"
        problem = None if relative else parse_failure(url)
        if problem is not None:
            found.append(_unparsable(url, problem))
        parts = components(url)
        found.extend(_unescaped(exchange, url, parts))
        for part in parts:
            if part.name in ("path", "query"):
                found.extend(_escapes(exchange, url, part))
    if exchange.refused and exchange.response_json is None and ("/.." in url or "%2" in url):
        found.extend(_refused_paths(exchange, url))
    for referrer in exchange.fields.get("referer", ()):
        if not _CLEAN.fullmatch(referrer):
            found.extend(_referrer(referrer))
    if found and mentions(exchange, "url"):
        for finding in found:
            finding.confidence = max(finding.confidence, 0.97)
    return found


def _unparsable(url: str, problem: str) -> CauseFinding:
    parts = {part.name: part for part in components(url)}
    start = parts["host"].start if "host" in parts else 0
    length = max(1, len(url) - start)
    evidence = at_text("url", url, start, f"No client can parse this URL: {problem}.", length=length)
    if PLACEHOLDER.search(url[: start + 256]):
        confidence, remedy = _CONFIDENCE["placeholder"], _REMEDIES["placeholder"]
        return CauseFinding(cause="invalid_url_encoding", confidence=confidence, remedy=remedy, evidence=[evidence])
    remedy = "Build the URL from a scheme, a host and an escaped path; this one cannot be parsed at all."
    return CauseFinding(cause="invalid_url_encoding", confidence=0.95, remedy=remedy, evidence=[evidence])


def _kind(text: str, index: int) -> str:
    character = text[index]
    if character == "%":
        return "escape"
    if character < " " or character == "\x7f":
        return "control"
    if character == " ":
        return "space"
    if character > "\x7f":
        return "non_ascii"
    return {'"': "quote", "<": "angle", ">": "angle", "\\": "backslash", "[": "bracket", "]": "bracket"}.get(
        character, "tolerated"
    )


def _unescaped(exchange: Exchange, url: str, parts: list[Component]) -> list[CauseFinding]:
    first: dict[str, tuple[Component, int]] = {}
    counts: dict[str, int] = {}
    for part in parts:
        pattern = _BAD.get(part.name)
        if pattern is None or part.name == "fragment":
            continue
        count = len(pattern.findall(part.text))
        if count:
            counts[part.name] = count
        for match in islice(pattern.finditer(part.text), _MAX_EXAMINED):
            first.setdefault(_kind(part.text, match.start()), (part, match.start()))
    if not first:
        return []
    placeholder = PLACEHOLDER.search(url)
    if placeholder is not None:
        at = placeholder.start()
        owner = next((part for part in parts if part.start <= at < part.start + len(part.text)), parts[-1])
        if owner.name in ("path", "query"):
            first["placeholder"] = (owner, at - owner.start)
            for weaker in ("angle", "tolerated"):
                first.pop(weaker, None)
    total = sum(counts.values())
    split = ", ".join(f"{name} {count}" for name, count in counts.items())
    summary = f"{plural(total, 'character')} of the URL should have been escaped ({split})."
    ranked = sorted(first.items(), key=lambda item: -_CONFIDENCE[item[0]])
    evidence: list[Evidence] = []
    for kind, (part, index) in ranked:
        what = _what(kind, part.text, index)
        tail = f"; {summary}" if not evidence else "."
        evidence.append(at_text("url", url, part.start + index, f"In the {part.name}: {what}{tail}"))
    kind = ranked[0][0]
    confidence = _CONFIDENCE[kind]
    if exchange.refused:
        confidence = _REFUSED.get(kind, confidence)
    remedy = _REMEDIES.get(kind, _REMEDY)
    return [CauseFinding(cause="invalid_url_encoding", confidence=confidence, remedy=remedy, evidence=evidence)]


def _what(kind: str, text: str, index: int) -> str:
    character = text[index]
    if kind == "escape":
        escape = text[index : index + 3]
        if escape[1:2] in ("u", "U"):
            return f"{text[index : index + 6]!r} is JavaScript's old escape(), not percent-encoding"
        return f"{escape!r} is no percent-escape" + (" (cut short)" if len(escape) < 3 else "")
    if kind == "control":
        return f"the control character 0x{ord(character):02X}"
    if kind == "placeholder":
        return f"the unfilled placeholder {text[index : index + 40].split('/')[0].split('&')[0]!r}"
    if kind == "non_ascii":
        return f"the non-ASCII character U+{ord(character):04X}"
    return _NEVER_RAW.get(character, f"a raw {character!r}")


def _escapes(exchange: Exchange, url: str, part: Component) -> list[CauseFinding]:
    """Find well-formed escapes of NUL, of text that is not UTF-8, and of escapes."""
    text = part.text
    found: list[CauseFinding] = []

    def report(kind: str, confidence: float, index: int, length: int, detail: str) -> None:
        evidence = at_text("url", url, part.start + index, f"In the {part.name}: {detail}", length=length)
        found.append(
            CauseFinding(
                cause="invalid_url_encoding", confidence=confidence, remedy=_REMEDIES[kind], evidence=[evidence]
            )
        )

    html = _HTML_AMPERSAND.search(text) if part.name == "query" else None
    if html is not None:
        report("html", 0.75 if exchange.refused else 0.6, html.start(), 5, "'&amp;' is an ampersand escaped for HTML.")
    if "%" not in text:
        return found
    line_end = _LINE_END.search(text)
    if line_end is not None and (part.name == "path" or _HEADER_AFTER.match(text, line_end.start())):
        report("line_end", 0.6, line_end.start(), 3, "an escaped line end, as a header that is smuggled has it.")
    elif part.name == "query":
        in_name = _LINE_END_IN_NAME.search(text)
        if in_name is not None:
            report("line_end", 0.55, in_name.end() - 3, 3, "an escaped line end in the name of a parameter.")
    control = _CONTROL_ESCAPE.search(text)
    if control is not None:
        report("control", 0.7 if exchange.refused else 0.55, control.start(), 3, "an escaped control character.")
    nul = text.find("%00")
    if nul >= 0:
        report("nul", 0.8 if exchange.refused else 0.7, nul, 3, "an escaped NUL byte, which servers refuse or cut at.")
    double = _DOUBLE.search(text)
    if double is not None:
        nested = _SINGLE.search(text) is not None
        confidence = (0.4 if nested else 0.6) + (0.1 if exchange.refused else 0.0)
        report("double", confidence, double.start(), 5, f"{double[0]!r} is an escape of an escape (encoded twice).")
    if _HIGH_ESCAPE.search(text):
        for run in _ESCAPES.finditer(text):
            try:
                unquote_to_bytes(run[0]).decode("utf-8")
            except UnicodeDecodeError as error:
                overlong = run[0][error.start * 3 : error.start * 3 + 3].lower() in ("%c0", "%c1")
                detail = "an overlong form, which UTF-8 forbids." if overlong else "the escaped bytes are not UTF-8."
                confidence = 0.85 if exchange.refused else 0.75 if overlong else 0.65
                report("utf8", confidence, run.start() + error.start * 3, 3, detail)
                break
    return found


_ESCAPED_SLASH = re.compile(r"%2f|%5c", re.IGNORECASE)


def _refused_paths(exchange: Exchange, url: str) -> list[CauseFinding]:
    """What a well-formed path may hold and many servers refuse all the same."""
    path = next((part for part in components(url) if part.name == "path"), None)
    if path is None:
        return []
    found = []
    escaped = _ESCAPED_SLASH.search(path.text)
    if escaped is not None:
        slash = escaped.start()
        confidence = 0.9 if mentions(exchange, "url") else 0.45
        name = "slash" if escaped[0].lower() == "%2f" else "backslash"
        detail = f"In the path: an escaped {name} ({escaped[0].upper()}), which servers refuse as ambiguous."
        evidence = at_text("url", url, path.start + slash, detail, length=3)
        found.append(_of_kind("slash", confidence, evidence))
    if _leaves_root(path.text):
        at = path.start + path.text.find("/..")
        found.append(
            _of_kind("root", 0.8, at_text("url", url, at, "In the path: '..' leads above the root.", length=3))
        )
    return found


def _of_kind(kind: str, confidence: float, evidence: Evidence) -> CauseFinding:
    remedy = _REMEDIES[kind]
    return CauseFinding(cause="invalid_url_encoding", confidence=confidence, remedy=remedy, evidence=[evidence])


def _leaves_root(path: str) -> bool:
    depth = 0
    for segment in path.split("/")[1:]:
        depth += -1 if segment == ".." else segment not in ("", ".")
        if depth < 0:
            return True
    return False


def _referrer(referrer: str) -> list[CauseFinding]:
    bad = re.search(r"[\x00-\x20\x7f]|%00|%(?![0-9A-Fa-f]{2})", referrer)
    if bad is None:
        return []
    detail = f"The Referer is no valid URI reference at {bad[0]!r}."
    evidence = at_text("header", referrer, bad.start(), detail, name="Referer")
    remedy = "Send the Referer as an escaped URL, or leave it out."
    return [CauseFinding(cause="invalid_url_encoding", confidence=0.55, remedy=remedy, evidence=[evidence])]
