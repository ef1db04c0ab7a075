"""Masks: replace characters by others of the same kind and length, which do not depend on the secret."""

import re

__all__ = ["NINES", "mask_all", "mask_byte", "mask_escape", "mask_percent", "mask_wide", "mask_word_characters"]

NINES = str.maketrans("0123456789", "9" * 10)
"""For `str.translate`: every digit becomes a 9."""

_ALL = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "9" * 10 + "X" * 26 + "x" * 26)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def _byte_of_class(byte: int) -> int:
    """A byte of the same class in UTF-8; an ASCII letter or digit becomes an x."""
    if byte < 0x80:
        return 0x78 if chr(byte).isalnum() else byte
    if byte < 0xC0:
        return 0x80
    if 0xC2 <= byte < 0xE0:
        return 0xC3
    if 0xE0 <= byte < 0xF0:
        return 0xE2
    return 0xF1 if 0xF0 <= byte < 0xF5 else byte


_LATIN1 = {chr(byte): chr(_byte_of_class(byte)) for byte in range(0x80, 0x100)}


def mask_byte(character: str) -> str:
    """A byte decoded as Latin-1, by one of its class in UTF-8."""
    return _LATIN1.get(character, character)


def mask_wide(character: str) -> str:
    """A character beyond ASCII, by one that is as long in UTF-8; half a surrogate pair stays."""
    point = ord(character)
    if point < 0x100:
        return "ÿ"
    if point < 0x800:
        return "ſ"
    if point < 0x10000:
        return character if 0xD800 <= point < 0xE000 else "█"
    return "\U0001f512"


def mask_percent(escape: str) -> str:
    """A percent-escape, perhaps of an escape (``%41``, ``%2541``), by one of a byte of the same class."""
    return f"{escape[:-2]}{_byte_of_class(int(escape[-2:], 16)):02X}"


def mask_escape(escape: str) -> str:
    r"""An escape of JSON such as ``\u0041``: that of a readable character by the escape of an x, others as they are."""
    point = int(escape[2:], 16)
    readable = chr(point).isalnum() if point < 0x80 else not 0xD800 <= point < 0xE000
    return "\\u0078" if readable else escape


def mask_word_characters(text: str) -> str:
    """The text with an x for each letter and digit."""
    return "".join(["x" if character.isalnum() else character for character in text])


def mask_all(text: str, *, latin1: bool) -> str:
    """A text that is too long to be searched, with every letter, digit and character beyond ASCII masked."""
    mask = mask_byte if latin1 else mask_wide
    text = text.translate(_ALL)
    return text if text.isascii() else _BEYOND_ASCII.sub(lambda match: mask(match[0]), text)
