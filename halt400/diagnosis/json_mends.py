"""Mend JSON text, one mechanical edit after the other, each for the defect that the scanner names."""

from __future__ import annotations

import ast
import base64
import json
import re
from urllib.parse import unquote_to_bytes

import orjson

from halt400.diagnosis.json_scanner import JsonDefect, scan

__all__ = ["mended_json"]

_MOST_EDITS = 200
_LONGEST = 1 << 18
_SINGLE_QUOTED = re.compile(rb"'((?:[^'\\\n]|\\.)*)'")
_WORD = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$.-]*")
_COMMENT = re.compile(rb"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(rb"[+-]?(?:0[xX][0-9A-Fa-f]+|[0-9.][0-9.eE+_-]*)")
_PYTHON = {b"True": b"true", b"False": b"false", b"None": b"null"}
_CLOSES = {0x7B: b"}", 0x5B: b"]"}
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def mended_json(data: bytes) -> bytes | None:
    """The text with its defects mended; None where an edit would be a guess.

    Examples
    --------
    >>> mended_json(b"{'id': 7, 'new': True,}")
    b'{"id": 7, "new": true}'
    >>> mended_json(b'{"id": "cut in a str') is None
    True
    """
    if len(data) > _LONGEST:
        return None
    last = -1
    for _ in range(_MOST_EDITS):
        defect = scan(data)
        if defect is None:
            return data
        edited = _edited(data, defect, whole=last < 0)
        if edited is None or edited == data:
            return None
        data, last = edited, defect.offset
    return None


def _edited(data: bytes, defect: JsonDefect, *, whole: bool) -> bytes | None:
    kind, at = defect.kind, defect.offset
    if whole:
        rewritten = _rewritten(data, defect)
        if rewritten is not None:
            return rewritten
    if kind in ("trailing_comma", "extra_comma", "unexpected_bracket"):
        return data[:at] + data[at + 1 :]
    if kind == "missing_comma":
        return data[:at].rstrip(b" ") + b", " + data[at:]
    if kind == "missing_value":
        return data[:at].rstrip(b" ") + b" null" + data[at:]
    if kind == "missing_colon":
        return data[:at] + b":" + data[at + (data[at : at + 1] == b"=") :]
    if kind == "undefined":
        return data[:at] + b"null" + data[at + 9 :]
    if kind == "nan":
        return _sub(re.compile(rb"[+-]?[A-Za-z]+"), b"null", data, at)
    if kind in ("unquoted_key", "bare_word"):
        word = _WORD.match(data, at)
        return data[:at] + b'"' + word[0] + b'"' + data[word.end() :] if word is not None else None
    if kind == "python_literal":
        word = _WORD.match(data, at)
        return data[:at] + _PYTHON.get(word[0], word[0]) + data[word.end() :] if word is not None else None
    if kind == "single_quotes":
        return _double_quoted(data, at)
    if kind == "comment":
        return _sub(_COMMENT, b"", data, at)
    if kind == "control_character":
        return data[:at] + json.dumps(chr(data[at]))[1:-1].encode() + data[at + 1 :]
    if kind == "bad_escape":
        return data[:at] + (b"" if data[at + 1 : at + 2] == b"'" else b"\\") + data[at:] if at < len(data) else None
    if kind == "bad_number":
        return _number(data, at)
    return _closed(data, defect) if kind == "truncated" else None


def _rewritten(data: bytes, defect: JsonDefect) -> bytes | None:
    """The text written anew: from another charset, or from the text of a bytes object, percent-encoding or base64."""
    if defect.kind == "bom":
        return data[3:]
    try:
        if defect.kind == "encoding":
            wide = data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
            return data.decode("utf-32" if wide else "utf-16").encode()
        if defect.kind == "invalid_utf8":
            return data.decode("cp1252").encode()
        if data[:2] in (b"b'", b'b"'):
            value = ast.literal_eval(data.decode())
            return value if isinstance(value, bytes) else None
        if data[:3].lower() in (b"%7b", b"%5b"):
            return unquote_to_bytes(data)
        if defect.offset == 0 and data[:3] in (b"eyJ", b"W3s"):
            return base64.b64decode(data, validate=True)
    except (ValueError, SyntaxError):
        return None
    return None


def _sub(pattern: re.Pattern[bytes], new: bytes, data: bytes, at: int) -> bytes | None:
    found = pattern.match(data, at)
    return data[:at] + new + data[found.end() :] if found is not None else None


def _double_quoted(data: bytes, at: int) -> bytes | None:
    found = _SINGLE_QUOTED.match(data, at)
    if found is None:
        return None
    text = found[1].replace(b"\\'", b"'")
    text = re.sub(rb'(?<!\\)"', b'\\"', text)
    return data[:at] + b'"' + text + b'"' + data[found.end() :]


def _number(data: bytes, at: int) -> bytes | None:
    found = _NUMBER.match(data, at)
    if found is None:
        return None
    text = found[0].decode("ascii").replace("_", "")
    try:
        value = int(text, 16) if "x" in text.lower() else int(text) if text.lstrip("+-").isdigit() else float(text)
        return data[:at] + orjson.dumps(value) + data[found.end() :]
    except ValueError:
        return None


def _closed(data: bytes, defect: JsonDefect) -> bytes | None:
    """The text with the brackets closed that are open at its end; None where it ends inside a value or a member."""
    body = data.rstrip(b" \t\r\n")
    if "inside" in defect.detail or "after a key" in defect.detail or body[-1:] in (b":", b",", b"{", b"["):
        return None
    opened: list[int] = []
    for piece in _PIECE.finditer(body):
        first = piece[0][0]
        if first in _CLOSES:
            opened.append(first)
        elif first != 0x22 and opened:
            opened.pop()
    return body + b"".join(_CLOSES[bracket] for bracket in reversed(opened)) if opened else None
