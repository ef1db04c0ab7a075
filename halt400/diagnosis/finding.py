"""A cause finding: one possible cause that a module reports for an exchange, before the engine ranks it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from halt400.diagnosis.excerpts import excerpt_at, mask
from halt400.records import Blame, Cause, Evidence, Request

__all__ = ["CauseFinding", "at_body", "at_text"]


class CauseFinding(Struct, kw_only=True):
    """One possible cause with its evidence.

    Attributes
    ----------
    confidence
        The probability that a refusal of the request has this cause.
    warning
        Whether it is only a remark and never the cause, because many receivers accept it.
    decides
        Whether a documented error code tells it: it is why the server refused, whatever else is wrong.
    retry_after_s
        How long the server, or the documentation of its code, says to wait.
    mend
        Gives the mended request where the mend is mechanical; `mending` calls it.
    """

    cause: Cause
    confidence: float
    remedy: str
    evidence: list[Evidence]
    blame: Blame = "request"
    warning: bool = False
    decides: bool = False
    retry_after_s: int | None = None
    mend: Callable[[], Request | None] | None = None

    @property
    def detail(self) -> str:
        """The first detail of the evidence, as a summary."""
        return self.evidence[0].detail if self.evidence else self.remedy


def at_text(
    where: str, text: str, index: int, detail: str, *, length: int = 1, name: str | None = None, secret: bool = False
) -> Evidence:
    """Point at a character of a URL, a header value or a request line.

    Parameters
    ----------
    where, detail, name
        As on `Evidence`.
    text
        The whole part that `index` counts in.
    index, length
        In characters, from 0; the evidence counts bytes of UTF-8.
    secret
        Whether the whole of `text` is a secret, such as a cookie.

    Examples
    --------
    >>> at_text("url", "/a b", 2, "A raw space.").caret
    2
    """
    index = max(0, min(index, len(text)))
    header = name if where == "header" and text != name else None
    excerpt, caret = excerpt_at(text, index, secret=secret, header=header)
    offset = index if text.isascii() else len(text[:index].encode("utf-8", "surrogatepass"))
    return Evidence(
        where=where, detail=mask(detail), name=name, offset=offset, length=length, excerpt=excerpt, caret=caret
    )


def at_body(
    body: bytes, offset: int, detail: str, *, length: int = 1, name: str | None = None, where: str = "body"
) -> Evidence:
    r"""Point at a byte of a body, with its line and column.

    Examples
    --------
    >>> found = at_body(b'{"a": 1,\n "b": }', 15, "No value.")
    >>> found.line, found.column, found.excerpt, found.caret
    (2, 7, ' "b": }', 6)
    """
    offset = max(0, min(offset, len(body)))
    start = body.rfind(b"\n", 0, offset) + 1
    column = len(body[start:offset].decode("utf-8", "replace")) + 1
    left = max(start, offset - 2048)
    end = body.find(b"\n", offset, offset + 2048)
    right = end if end >= 0 else min(len(body), offset + 2048)
    before = body[left:offset].decode("utf-8", "replace")
    after = body[offset:right].decode("utf-8", "replace").rstrip("\r")
    excerpt, caret = excerpt_at(before + after, len(before))
    return Evidence(
        where=where,
        detail=mask(detail),
        name=name,
        offset=offset,
        length=length,
        line=body.count(b"\n", 0, offset) + 1,
        column=column,
        excerpt=excerpt,
        caret=caret,
    )
