"""Excerpts of a request: a short window around a place, with secrets masked so that the caret stays where it was."""

from __future__ import annotations

from functools import lru_cache

from halt400.redaction import RedactionRules, Redactor

__all__ = ["mask", "visible", "window"]

_WIDTH = 36
_NEAR = 3

# The keyed tokens never leave this module: what they cover is shown as bullets. So the key needs no secrecy.
_KEY = b"excerpts of a diagnosis"


_KEPT, _KEPT_CHARS = 1024, 512
_clean: dict[str, None] = {}
"""Texts in which no secret was found: the same details stand on the same defects. None that held one is kept."""


@lru_cache(maxsize=1)
def _redactor() -> Redactor:
    return Redactor(RedactionRules(), _KEY)


def mask(text: str, *, secret: bool = False, header: str | None = None) -> str:
    """Replace every secret by as many bullets as it has characters, so that positions stay true.

    What a secret is, `halt400.redaction` says; `header` names the field whose value `text` is.

    Examples
    --------
    >>> mask("https://api.shop.example/?api_key=8f3kd02k&page=2")
    'https://api.shop.example/?api_key=••••••••&page=2'
    """
    if secret:
        return "•" * len(text)
    if text in _clean and header is None:
        return text
    if header is not None:
        (_, redacted), *_ = _redactor().headers([(header, text)])
    else:
        redacted = _redactor().text(text)
    if redacted == text:
        if header is None and len(text) <= _KEPT_CHARS:
            if len(_clean) >= _KEPT:
                _clean.clear()
            _clean[text] = None
        return text
    if len(redacted) != len(text):
        return "•" * len(text)
    out = list(text)
    last = -_NEAR
    for index, (before, after) in enumerate(zip(text, redacted, strict=True)):
        if before != after:
            # A character that its token happens to repeat is hidden with its neighbours.
            start = last if index - last <= _NEAR else index
            out[start : index + 1] = "•" * (index + 1 - start)
            last = index
    return "".join(out)


_CONTROL = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}


def visible(text: str) -> str:
    r"""Show control characters by their Unicode pictures, one for one.

    Examples
    --------
    >>> visible("a\tb")
    'a␉b'
    """
    return text.translate(_CONTROL)


def window(text: str, index: int, *, secret: bool = False, header: str | None = None) -> tuple[str, int]:
    """Cut a short, masked, printable piece of `text` around `index`; the caret is the index into the piece.

    Examples
    --------
    >>> window("x" * 100, 50)[1]
    37
    """
    left = max(0, index - 2048)
    if header is not None and len(text) > 2048:
        secret = True  # a piece of a long value may have lost the name that betrays it
    near = mask(text[left : index + 2048], secret=secret, header=header)
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
    if piece.isprintable():
        return piece, caret
    return visible(piece).replace("\ud800", "?").encode("utf-8", "replace").decode(), caret
