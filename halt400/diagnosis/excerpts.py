"""Excerpts of a request: a short window around a place, with secrets masked so that the caret stays where it was."""

from __future__ import annotations

import re

__all__ = ["mask", "visible", "window"]

_WIDTH = 36

_SECRET_NAME = (
    r"(?:[\w.-]{0,40}(?:password|passwd|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credential|session"
    r"|csrf|xsrf|signature|authorization|auth|cookie|otp|jwt|bearer|assertion|client_id|ssn|cvv|card)[\w.-]{0,40}|sig|sid|pin|key|pass)"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "name": "value", 'name': value, name=value, name: value
        rf"(?<![\w.-]){_SECRET_NAME}[\"']?\s{{0,8}}(?:=>|[:=]|%3D)\s{{0,8}}(?P<secret>\"(?:[^\"\\\n]|\\.){{0,4096}}|'[^'\n]{{0,4096}}|[^\s\"',;&}}\]<>]{{1,4096}})",
        r"\b(?:bearer|basic|digest|negotiate|token)\s{1,8}(?P<secret>[A-Za-z0-9._~+/=-]{6,4096})",
        r"//(?P<secret>[^/\s?#@]{1,512})@",
        r"(?P<secret>\beyJ[A-Za-z0-9_-]{5,4096}\.[A-Za-z0-9_-]{2,4096}(?:\.[A-Za-z0-9_-]{0,4096})?)",
        r"(?P<secret>\b(?:sk|pk|rk|ghp|gho|ghs|ghr|github_pat|xox[abprs]|AKIA|ASIA|AIza|glpat|npm|hf|dop_v1|shpat)[_-]?[A-Za-z0-9_-]{12,256})",
        r"(?P<secret>(?<![A-Za-z0-9+/_-])(?=[A-Za-z+/_-]{0,80}[0-9])[A-Za-z0-9+/_-]{40,4096}={0,2})",
        r"(?P<secret>(?<![\d.-])(?:\d[ -]?){13,19}(?![\d.-]))",
    )
)


def mask(text: str, *, secret: bool = False) -> str:
    """Replace every secret by as many bullets as it has characters, so that positions stay true.

    Conservative: a name that sounds secret hides its value, and so does a long token anywhere.

    Examples
    --------
    >>> mask("password=hunter2&page=2")
    'password=•••••••&page=2'
    >>> mask("https://api.shop.example/?api_key=abc&page=2")
    'https://api.shop.example/?api_key=•••&page=2'
    """
    if secret:
        return "•" * len(text)
    for pattern in _PATTERNS:
        for found in pattern.finditer(text):
            start, end = found.span("secret")
            text = text[:start] + "•" * (end - start) + text[end:]
    return text


_CONTROL = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}


def visible(text: str) -> str:
    r"""Show control characters by their Unicode pictures, one for one.

    Examples
    --------
    >>> visible("a\tb")
    'a␉b'
    """
    return text.translate(_CONTROL)


def window(text: str, index: int, *, secret: bool = False) -> tuple[str, int]:
    """Cut a short, masked, printable piece of `text` around `index`; the caret is the index into the piece.

    Examples
    --------
    >>> window("x" * 100, 50)[1]
    37
    """
    left = max(0, index - 2048)
    near = mask(text[left : index + 2048], secret=secret)
    index -= left
    start = max(0, index - _WIDTH)
    end = min(len(near), index + _WIDTH)
    piece = near[start:end]
    caret = index - start
    if start or left:
        piece = "…" + piece
        caret += 1
    if end < len(near):
        piece += "…"
    return visible(piece).replace("\ud800", "?").encode("utf-8", "replace").decode(), caret
