"""Names of the defects in JSON, such as a trailing comma, by the characters where the text breaks RFC 8259.

`json_scanner` finds the place; `DefectNamer` names the defect there.
"""

from __future__ import annotations

import re

from msgspec import Struct

__all__ = ["STRING", "DefectNamer", "JsonDefect", "before_parsing", "nearby"]

STRING = rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
"""A string of JSON, as a regular expression over bytes."""
_KEY = re.compile(STRING)
_STRING_PREFIX = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_WORD = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$.-]*+")
_LOOSE_NUMBER = re.compile(rb"[+-]?(?:0[xX][0-9A-Fa-f]*+|[0-9.][0-9.eE+_-]*+(?:[A-Za-z]++)?)")
_PYTHON_WORDS = {b"True": "true", b"False": "false", b"None": "null"}
_SPECIAL_NUMBERS = {b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"-inf", b"Inf", b"-NaN", b"+Infinity"}


class JsonDefect(Struct):
    """One defect; `kind` is a stable word, `offset` and `length` count bytes."""

    kind: str
    offset: int
    detail: str
    length: int = 1


def before_parsing(data: bytes) -> JsonDefect | None:
    """Name a defect of the text as a whole: it is empty, or not UTF-8."""
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


def nearby(data: bytes, position: int) -> str:
    """Describe the place where a text that is too long to scan stops being JSON."""
    got = data[position : position + 1]
    if not got:
        return "The body ends in the middle of a value."
    shown = got.decode("latin-1")
    return f"JSON stops at {shown!r}: no value, key, comma or bracket of JSON may be here."


class DefectNamer:
    """Names the defect at a place; the base class of the scanner that finds the place.

    Parameters
    ----------
    data
        The whole text.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.stack = bytearray()
        self.opened: list[int] = []

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
            return JsonDefect("bad_escape", end, f"{escape!r} is not an escape of JSON.", 2)
        names = {0x0A: "line feed", 0x0D: "carriage return", 0x09: "tab", 0x00: "NUL"}
        name = names.get(byte, f"0x{byte:02X}")
        return JsonDefect(
            "control_character", end, f"A raw control character ({name}) inside a string; it must be escaped."
        )

    def _value(self, at: int) -> JsonDefect:
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
            return JsonDefect("extra_comma", at, "A comma where a value must be.")
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
            return JsonDefect("bare_word", at, f"The bare word {shown!r}; text must be in double quotes.", len(text))
        if byte == 0x3A:
            return JsonDefect("unexpected_colon", at, "A colon where a value must be.")
        return JsonDefect("unexpected_character", at, f"{_shown(data, at)} where a value must be.")

    def _key(self, at: int) -> JsonDefect:
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
            return JsonDefect("extra_comma", at, "A comma where a key must be.")
        found = self._comment(at)
        if found is not None:
            return found
        word = _WORD.match(data, at)
        if word is not None:
            shown = word[0][:24].decode()
            return JsonDefect("unquoted_key", at, f"The key {shown} is not in double quotes.", len(word[0]))
        return JsonDefect("bad_key", at, f"{_shown(data, at)} where a key in double quotes must be.")

    def _colon(self, colon: int) -> JsonDefect:
        data = self.data
        if colon >= len(data):
            return JsonDefect("truncated", len(data), "The body ends after a key.", 0)
        if data[colon : colon + 1] in (b",", b"}"):
            return JsonDefect("missing_value", colon, "A key without a value.")
        if data[colon : colon + 1] == b"=":
            return JsonDefect("missing_colon", colon, "'=' between key and value; JSON writes ':'.")
        return JsonDefect("missing_colon", colon, f"No colon after the key; {_shown(data, colon)} is there.")

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
                return JsonDefect("unexpected_colon", at, "A colon inside an array: keys belong in an object.")
            return JsonDefect("unexpected_colon", at, "A second colon in one member.")
        return JsonDefect("unexpected_character", at, f"{_shown(data, at)} where a comma or a bracket must be.")

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
        return f"{shown}: JSON has no hexadecimal numbers."
    if digits.startswith(b".") or b".e" in digits.lower() or digits.endswith(b"."):
        return f"{shown}: digits must be on both sides of the point."
    if len(digits) > 1 and digits.startswith(b"0") and digits[1:2].isdigit():
        return f"{shown}: a number has no leading zero."
    return f"{shown} is not a number of JSON."


def _shown(data: bytes, at: int) -> str:
    character = data[at : at + 4].decode("utf-8", "ignore")[:1]
    if not character or not character.isprintable():
        return f"The byte 0x{data[at]:02X}"
    return repr(character)
