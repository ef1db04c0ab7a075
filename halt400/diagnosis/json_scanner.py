"""Where and how JSON text breaks: a scanner after RFC 8259 that names the mistake, not only its place.

orjson decides what is valid, at C speed; this scanner reads only what orjson refused, to say what is wrong with it.
It keeps its own stack, so no depth of nesting can exhaust Python's.
"""

from __future__ import annotations

import re

import orjson
from msgspec import Struct

__all__ = ["JsonDefect", "scan"]

_FULL_SCAN_BYTES = 1 << 18

_WS = re.compile(rb"[ \t\n\r]*+")
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_PLAIN = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
_FLAT = rb"\[[ \t\n\r]*+(?:" + _PLAIN + rb"[ \t\n\r]*+,[ \t\n\r]*+)*+" + _PLAIN + rb"[ \t\n\r]*+\]"
_SCALAR_TEXT = rb"(?:" + _PLAIN + rb"|\[[ \t\n\r]*+\]|\{[ \t\n\r]*+\}|" + _FLAT + rb")"
_END = rb"(?=[ \t\n\r,\]}:]|$|[\"'\[{/#])"
_SCALAR = re.compile(_SCALAR_TEXT + _END)
_KEY = re.compile(_STRING)
# Runs of whole elements at C speed: "1, 2, " and "\"a\": 1, ".
_ELEMENTS = re.compile(rb"(?:[ \t\n\r]*+" + _SCALAR_TEXT + rb"[ \t\n\r]*+,)*+")
_MEMBERS = re.compile(rb"(?:[ \t\n\r]*+" + _STRING + rb"[ \t\n\r]*+:[ \t\n\r]*+" + _SCALAR_TEXT + rb"[ \t\n\r]*+,)*+")
_OPEN_RUN = re.compile(rb"\[(?:[ \t\n\r]*+\[)*+")
_STRING_PREFIX = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_WORD = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$.-]*+")
_LOOSE_NUMBER = re.compile(rb"[+-]?(?:0[xX][0-9A-Fa-f]*+|[0-9.][0-9.eE+_-]*+(?:[A-Za-z]++)?)")
_PYTHON_WORDS = {b"True": "true", b"False": "false", b"None": "null"}
_SPECIAL_NUMBERS = {b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"-inf", b"Inf", b"-NaN", b"+Infinity"}


class JsonDefect(Struct):
    """`kind` is a stable word; `offset` counts bytes."""

    kind: str
    offset: int
    detail: str
    length: int = 1


def scan(data: bytes) -> JsonDefect | None:
    r"""Find the first place where `data` stops being JSON; None when it is JSON.

    Examples
    --------
    >>> scan(b'{"a": [1, 2]}') is None
    True
    >>> scan(b'{"a": [1, 2,]}').kind
    'trailing_comma'
    >>> scan(b"{'a': 1}").detail
    'A key is in single quotes; JSON knows only double quotes.'
    """
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        position = error.pos
    else:
        return None
    early = _before_parsing(data)
    if early is not None:
        return early
    if len(data) > _FULL_SCAN_BYTES:
        offset = min(position, len(data))
        found = _Scanner(data[: offset + 4096]).run() if offset < _FULL_SCAN_BYTES - 4096 else None
        if found is not None and abs(found.offset - offset) < 64:
            return found
        return JsonDefect("malformed", offset, _nearby(data, offset))
    return _Scanner(data).run()


def _before_parsing(data: bytes) -> JsonDefect | None:
    if not data.strip(b" \t\r\n"):
        what = "The body is empty" if not data else "The body holds only white space"
        return JsonDefect("empty", len(data), f"{what}; JSON text holds one value.", 0)
    for mark, name in (
        (b"\xff\xfe\x00\x00", "UTF-32"),
        (b"\x00\x00\xfe\xff", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    ):
        if data.startswith(mark):
            return JsonDefect("encoding", 0, f"The body is {name}; JSON on the wire is UTF-8.", len(mark))
    if data.startswith(b"\xef\xbb\xbf"):
        return JsonDefect("bom", 0, "The body starts with a byte order mark (EF BB BF), which JSON forbids.", 3)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = data[error.start]
        return JsonDefect(
            "invalid_utf8",
            error.start,
            f"The byte 0x{bad:02X} is not UTF-8 ({error.reason}); the text was written in another charset or cut.",
            max(1, error.end - error.start),
        )
    return None


def _nearby(data: bytes, position: int) -> str:
    got = data[position : position + 1]
    if not got:
        return "The body ends in the middle of a value."
    shown = got.decode("latin-1")
    return f"JSON stops at {shown!r}: no value, key, comma or bracket of JSON may stand here."


class _Scanner:
    """One pass with an explicit stack of open brackets and the offset of each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.stack = bytearray()
        self.opened: list[int] = []

    def run(self) -> JsonDefect | None:
        data, at = self.data, 0
        size = len(data)
        state = "value"  # value | first | key | first_key | after
        while True:
            if state == "value" and self.stack and self.stack[-1] == 0x5B:
                skipped = _ELEMENTS.match(data, at)
                if skipped is not None:
                    at = skipped.end()
            elif state == "key":
                skipped = _MEMBERS.match(data, at)
                if skipped is not None:
                    at = skipped.end()
            at = _WS.match(data, at).end()  # type: ignore[union-attr]
            if at >= size:
                return self._end(state)
            byte = data[at]
            if state in ("value", "first"):
                if state == "first" and byte == 0x5D:
                    self._close()
                    at, state = at + 1, "after"
                    continue
                if byte == 0x5B:
                    run = _OPEN_RUN.match(data, at)
                    end = run.end() if run is not None else at + 1
                    count = data.count(b"[", at, end)
                    self.stack.extend(b"[" * count)
                    self.opened.extend([at] * count)
                    at, state = end, "first"
                    continue
                if byte == 0x7B:
                    self.stack.append(0x7B)
                    self.opened.append(at)
                    at, state = at + 1, "first_key"
                    continue
                scalar = _SCALAR.match(data, at)
                if scalar is None:
                    return self._value(at, state)
                at, state = scalar.end(), "after"
            elif state in ("key", "first_key"):
                if state == "first_key" and byte == 0x7D:
                    self._close()
                    at, state = at + 1, "after"
                    continue
                key = _KEY.match(data, at)
                if key is None:
                    return self._key(at, state)
                colon = _WS.match(data, key.end()).end()  # type: ignore[union-attr]
                if data[colon : colon + 1] != b":":
                    return self._colon(at, key.end(), colon)
                at, state = colon + 1, "value"
            else:
                if not self.stack:
                    return self._extra(at)
                if byte == 0x2C:
                    at, state = at + 1, ("key" if self.stack[-1] == 0x7B else "value")
                elif byte in (0x5D, 0x7D):
                    if (byte == 0x5D) != (self.stack[-1] == 0x5B):
                        opener = chr(self.stack[-1])
                        return JsonDefect(
                            "bracket_mismatch",
                            at,
                            f"{chr(byte)!r} closes here, but {opener!r} is open (byte {self.opened[-1]}).",
                        )
                    self._close()
                    at += 1
                else:
                    return self._after(at)

    def _close(self) -> None:
        self.stack.pop()
        self.opened.pop()

    def _end(self, state: str) -> JsonDefect | None:
        if not self.stack and state == "after":
            return None
        size = len(self.data)
        if not self.stack:
            return JsonDefect("truncated", size, "The body ends before a value.", 0)
        opener = chr(self.stack[-1])
        return JsonDefect(
            "truncated",
            size,
            f"The body ends while {opener!r} from byte {self.opened[-1]} is open ({len(self.stack)} open in all).",
            0,
        )

    def _comment(self, at: int) -> JsonDefect | None:
        data = self.data
        if data.startswith((b"//", b"/*", b"#"), at):
            return JsonDefect("comment", at, "A comment; JSON has none.", 2)
        return None

    def _string(self, at: int) -> JsonDefect:
        """`at` is a double quote that starts no valid string."""
        data = self.data
        prefix = _STRING_PREFIX.match(data, at)
        end = prefix.end() if prefix is not None else at + 1
        if end >= len(data):
            return JsonDefect("truncated", len(data), f"The body ends inside the string from byte {at}.", 0)
        byte = data[end]
        if byte == 0x5C:
            escape = data[end : end + 2].decode("utf-8", "replace")
            if len(data) - end < 2 or (data[end + 1] == 0x75 and len(data) - end < 6 and b'"' not in data[end:]):
                return JsonDefect("truncated", len(data), "The body ends inside an escape.", 0)
            return JsonDefect("bad_escape", end, f"{escape!r} is no escape of JSON.", 2)
        names = {0x0A: "line feed", 0x0D: "carriage return", 0x09: "tab", 0x00: "NUL"}
        name = names.get(byte, f"0x{byte:02X}")
        return JsonDefect(
            "control_character", end, f"A raw control character ({name}) inside a string; it must be escaped."
        )

    def _value(self, at: int, state: str) -> JsonDefect:
        data = self.data
        byte = data[at]
        inside = chr(self.stack[-1]) if self.stack else ""
        if byte == 0x22:
            string = _KEY.match(data, at)
            if string is not None:
                return self._after(string.end())
            return self._string(at)
        if byte == 0x27:
            return JsonDefect("single_quotes", at, "A string is in single quotes; JSON knows only double quotes.")
        if byte in (0x5D, 0x7D):
            before = data[max(0, at - 4096) : at].rstrip(b" \t\r\n")[-1:]
            if before == b"," and inside:
                comma = data.rfind(b",", 0, at)
                return JsonDefect(
                    "trailing_comma", comma, f"A comma before {chr(byte)!r}: the last element has none after it."
                )
            if before == b":":
                return JsonDefect("missing_value", at, "A key without a value.")
            return JsonDefect("unexpected_bracket", at, f"{chr(byte)!r} closes nothing.")
        if byte == 0x2C:
            return JsonDefect("extra_comma", at, "A comma where a value must stand.")
        found = self._comment(at)
        if found is not None:
            return found
        word = _WORD.match(data, at)
        text = word[0] if word is not None else b""
        if data.startswith((b"-Infinity", b"-NaN", b"-inf", b"-nan", b"+Infinity"), at) or text in _SPECIAL_NUMBERS:
            return JsonDefect(
                "nan", at, "NaN and Infinity are JavaScript numbers; JSON has no such values.", max(3, len(text))
            )
        if text in _PYTHON_WORDS:
            return JsonDefect(
                "python_literal", at, f"{text.decode()} is Python; JSON writes {_PYTHON_WORDS[text]}.", len(text)
            )
        if text == b"undefined":
            return JsonDefect("undefined", at, "undefined is JavaScript; JSON writes null, or leaves the key out.", 9)
        if byte in b"+-.0123456789":
            number = _LOOSE_NUMBER.match(data, at)
            literal = number[0] if number is not None else data[at : at + 1]
            return JsonDefect("bad_number", at, _number_detail(literal), len(literal))
        if text:
            if (
                len(text) < 5
                and at + len(text) == len(data)
                and any(w.startswith(text) for w in (b"true", b"false", b"null"))
            ):
                return JsonDefect("truncated", len(data), f"The body ends inside {text.decode()!r}.", 0)
            shown = text[:24].decode()
            return JsonDefect("bare_word", at, f"The bare word {shown!r}; text stands in double quotes.", len(text))
        if byte == 0x3A:
            return JsonDefect("unexpected_colon", at, "A colon where a value must stand.")
        return JsonDefect("unexpected_character", at, f"{_shown(data, at)} where a value must stand.")

    def _key(self, at: int, state: str) -> JsonDefect:
        data = self.data
        byte = data[at]
        if byte == 0x22:
            return self._string(at)
        if byte == 0x27:
            return JsonDefect("single_quotes", at, "A key is in single quotes; JSON knows only double quotes.")
        if byte == 0x7D:
            comma = data.rfind(b",", 0, at)
            return JsonDefect("trailing_comma", comma, "A comma before '}': the last member has none after it.")
        if byte == 0x2C:
            return JsonDefect("extra_comma", at, "A comma where a key must stand.")
        found = self._comment(at)
        if found is not None:
            return found
        word = _WORD.match(data, at)
        if word is not None:
            shown = word[0][:24].decode()
            return JsonDefect("unquoted_key", at, f"The key {shown} is not in double quotes.", len(word[0]))
        return JsonDefect("bad_key", at, f"{_shown(data, at)} where a key in double quotes must stand.")

    def _colon(self, key: int, end: int, colon: int) -> JsonDefect:
        data = self.data
        if colon >= len(data):
            return JsonDefect("truncated", len(data), "The body ends after a key.", 0)
        if data[colon : colon + 1] in (b",", b"}"):
            return JsonDefect("missing_value", colon, "A key without a value.")
        if data[colon : colon + 1] == b"=":
            return JsonDefect("missing_colon", colon, "'=' between key and value; JSON writes ':'.")
        return JsonDefect("missing_colon", colon, f"No colon after the key; {_shown(data, colon)} stands there.")

    def _after(self, at: int) -> JsonDefect:
        """`at` follows a whole value inside an array or an object, and is no comma and no bracket."""
        data = self.data
        found = self._comment(at)
        if found is not None:
            return found
        byte = data[at]
        before = data[max(0, at - 64) : at].rstrip(b" \t\r\n")[-1:]
        adjacent = data[at - 1 : at] == b'"'
        if before == b'"' and (byte > 0x7F or chr(byte).isalpha() or (adjacent and byte not in b'"{[:;=')):
            return JsonDefect(
                "unescaped_quote", at, "The string ended before this: a double quote inside it is not escaped.", 1
            )
        if byte == 0x22 or byte in b"[{" or chr(byte).isalnum() or byte in b"-'":
            return JsonDefect("missing_comma", at, "No comma between this value and the one before it.")
        if byte == 0x3A:
            if self.stack and self.stack[-1] == 0x5B:
                return JsonDefect("unexpected_colon", at, "A colon inside an array: key and value stand in an object.")
            return JsonDefect("unexpected_colon", at, "A second colon in one member.")
        return JsonDefect("unexpected_character", at, f"{_shown(data, at)} where a comma or a bracket must stand.")

    def _extra(self, at: int) -> JsonDefect:
        data = self.data
        found = self._comment(at)
        if found is not None:
            return found
        byte = data[at]
        if byte in b"]}":
            return JsonDefect("unexpected_bracket", at, f"{chr(byte)!r} closes nothing: the value has ended.")
        if byte in b'{["':
            return JsonDefect("concatenated", at, "A second JSON text follows the first in one body.")
        if byte == 0x2C:
            return JsonDefect("concatenated", at, "A comma after the end of the JSON text.")
        return JsonDefect("trailing_data", at, f"{_shown(data, at)} after the end of the JSON text.")


def _number_detail(literal: bytes) -> str:
    shown = literal[:24].decode("latin-1")
    digits = literal.lstrip(b"+-")
    if literal.startswith(b"+"):
        return f"{shown}: a number has no plus sign."
    if digits.startswith((b"0x", b"0X")):
        return f"{shown}: hexadecimal is no number of JSON."
    if digits.startswith(b".") or b".e" in digits.lower() or digits.endswith(b"."):
        return f"{shown}: digits stand on both sides of the point."
    if len(digits) > 1 and digits.startswith(b"0") and digits[1:2].isdigit():
        return f"{shown}: a number has no leading zero."
    return f"{shown} is no number of JSON."


def _shown(data: bytes, at: int) -> str:
    character = data[at : at + 4].decode("utf-8", "ignore")[:1]
    if not character or not character.isprintable():
        return f"The byte 0x{data[at]:02X}"
    return repr(character)
