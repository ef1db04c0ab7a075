"""Excerpts of a request: a few characters around a place, with secrets masked and the caret in its place."""

from __future__ import annotations

from functools import lru_cache

from halt400.redaction import RedactionRules, Redactor

__all__ = ["excerpt_at", "mask", "visible"]

_WIDTH = 36
_NEAR = 3

# The keyed tokens never leave this module, which shows bullets in their place. So the key need not be secret.
_KEY = b"excerpts of a diagnosis"


_KEPT, _KEPT_CHARS = 1024, 512
_clean: dict[str, None] = {}
"""A cache of texts without a secret: the same defect has the same details. A text with a secret is never kept."""


@lru_cache(maxsize=1)
def _redactor() -> Redactor:
    return Redactor(RedactionRules(), _KEY)


def mask(text: str, *, secret: bool = False, header: str | None = None) -> str:
    """Replace each character of a secret by a bullet, so that positions do not change.

    `halt400.redaction` finds the secrets; `header` names the field whose value `text` is.

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
            # A character that is the same in the token is hidden with its neighbours.
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


def excerpt_at(text: str, index: int, *, secret: bool = False, header: str | None = None) -> tuple[str, int]:
    """Cut a short, masked, printable excerpt of `text` around `index`; the second value is the index into it.

    Examples
    --------
    >>> excerpt_at("x" * 100, 50)[1]
    37
    """
    left = max(0, index - 2048)
    if header is not None and len(text) > 2048:
        secret = True  # a part of a long value may lack the name by which a secret is known
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
