"""Hosts of URLs by the WHATWG URL standard: which hosts no client can parse, and why.

Sources: https://url.spec.whatwg.org/#host-parsing, UTS #46 (domain to ASCII, non-transitional, not strict), RFC 5892
for joiners, RFC 5893 for right-to-left labels. The mapping of UTS #46 is approximated by Python's NFKC and case
folding.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import unquote_to_bytes

from halt400.lazy_patterns import lazy_pattern

__all__ = ["check_host"]

_FORBIDDEN_HOST = frozenset("\x00\t\n\r #/:<>?@[\\]^|")
_FORBIDDEN_DOMAIN = _FORBIDDEN_HOST | frozenset(map(chr, range(0x20))) | {"%", "\x7f"}
_DOTS = lazy_pattern("[.\u3002\uff0e\uff61]")
_IGNORED = frozenset("\u00ad\u034f\u180b\u180c\u180d\u180f\u200b\u2060\u2064\ufeff") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}
_DEVIATIONS = frozenset("ß\u1e9eς\u200c\u200d")
_PLAIN = lazy_pattern(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.IGNORECASE)


def check_host(text: str, *, special: bool = True) -> str | None:
    """The reason why a host cannot be parsed; None where it can.

    Examples
    --------
    >>> check_host("api.shop.example") is None
    True
    >>> check_host("exa^mple.org")
    "the host holds the forbidden character '^'"
    >>> check_host("300.1.1.1")
    'the host ends in a number and is no IPv4 address'
    """
    if text.startswith("["):
        if not text.endswith("]"):
            return "the bracket of an IPv6 address is not closed"
        return _check_ipv6(text[1:-1])
    if not special:
        for character in text:
            if character in _FORBIDDEN_HOST:
                return f"the host holds the forbidden character {character!r}"
        return None
    if _PLAIN.fullmatch(text) and "xn--" not in text.lower():
        return _check_ipv4(text.lower())
    if len(text) > 2048:
        return "the host is longer than any name"
    domain = unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if "\ufffd" in domain:
        return "the host is not UTF-8"
    # An ASCII domain stays as it is, without a look at its Punycode (whatwg/url, "domain to ASCII", ASCII-only input).
    problem, ascii_domain = (None, domain.lower()) if domain.isascii() else _to_ascii(domain)
    if problem is not None:
        return problem
    if not ascii_domain:
        return "the host is empty"
    for character in ascii_domain:
        if character in _FORBIDDEN_DOMAIN:
            return f"the host holds the forbidden character {character!r}"
    return _check_ipv4(ascii_domain)


def _check_ipv6(text: str) -> str | None:
    # Zone identifiers are RFC 6874; the URL standard and clients refuse them.
    try:
        if "%" in text or not text.isascii():
            raise ValueError
        ipaddress.IPv6Address(text)
    except ValueError:
        return "the brackets hold no IPv6 address"
    last = text.rsplit(":", 1)[-1]
    if "." in last and any(len(part) > 1 and part.startswith("0") for part in last.split(".")):
        return "the brackets hold no IPv6 address"
    return None


def _number(part: str) -> int | None:
    try:
        if part[:2].lower() == "0x":
            digits = part[2:]
            return int(digits, 16) if re.fullmatch(r"[0-9a-fA-F]*", digits) and digits else (0 if not digits else None)
        if len(part) > 1 and part.startswith("0"):
            return int(part, 8) if part.isascii() and part.isdigit() else None
        return int(part) if part.isascii() and part.isdigit() and len(part) < 40 else None
    except ValueError:
        return None


def _check_ipv4(domain: str) -> str | None:
    parts = domain.split(".")
    if parts[-1] == "" and len(parts) > 1:
        parts.pop()
    last = parts[-1]
    if not ((last.isascii() and last.isdigit()) or re.fullmatch(r"0[xX][0-9a-fA-F]*", last)):
        return None
    problem = "the host ends in a number and is no IPv4 address"
    if len(parts) > 4:
        return problem
    numbers = [_number(part) if part else None for part in parts]
    if any(number is None for number in numbers):
        return problem
    known = [number for number in numbers if number is not None]
    if any(number > 255 for number in known[:-1]) or known[-1] >= 256 ** (5 - len(known)):
        return problem
    return None


def _map(domain: str) -> str:
    """UTS #46 mapping, non-transitional: deviation characters stay."""
    pieces: list[str] = []
    for character in domain:
        if character in _IGNORED:
            continue
        if character in "\u200c\u200d\u03c2\u00df":
            pieces.append(character)
        elif character == "\u1e9e":
            pieces.append("ß")
        else:
            pieces.append(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold()))
    return unicodedata.normalize("NFC", "".join(pieces))


def _to_ascii(domain: str) -> tuple[str | None, str]:
    mapped = _map(domain)
    labels = _DOTS.split(mapped)
    out: list[str] = []
    rights: list[str] = []
    for label in labels:
        text = label
        if label.startswith("xn--"):
            if not label.isascii():
                return "a label starts with xn-- and is not ASCII", ""
            try:
                text = label[4:].encode("ascii").decode("punycode")
            except (UnicodeError, ValueError):
                return f"the label {label[:40]!r} is no Punycode", ""
            if (
                not text
                or text.isascii()
                or _map(text) != text
                or text.encode("punycode").decode().lower() != label[4:]
            ):
                return f"the label {label[:40]!r} is no valid Punycode", ""
        problem = _check_label(text)
        if problem is not None:
            return problem, ""
        rights.append(text)
        out.append(label if label.isascii() else "xn--" + text.encode("punycode").decode("ascii"))
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for text in rights for character in text):
        for text in rights:
            if text and not _bidi(text):
                return "a label mixes writing directions in a forbidden way", ""
    return None, ".".join(out)


def _check_label(text: str) -> str | None:
    if not text or text.isascii():
        return None
    if unicodedata.category(text[0]).startswith("M"):
        return "a label starts with a combining mark"
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        if character in "\u200c\u200d":
            after_virama = index > 0 and unicodedata.combining(text[index - 1]) == 9
            if not after_virama and (character == "\u200d" or not _joining(text, index)):
                return "a joiner is where it joins nothing"
        elif category in {"Cn", "Co", "Cs", "Cc", "Zs", "Zl", "Zp", "Cf"} or character in "\ufffc\ufffd\u2ff0":
            return f"the host holds the forbidden character U+{ord(character):04X}"
    return None


def _joining(text: str, index: int) -> bool:
    """A zero-width non-joiner between letters of a joining script (RFC 5892 A.1), judged by script."""
    before, after = text[:index], text[index + 1 :]
    return bool(before and after) and all(
        unicodedata.bidirectional(side) in {"AL", "R"} for side in (before[-1], after[0])
    )


def _bidi(label: str) -> bool:
    kinds = [unicodedata.bidirectional(character) for character in label]
    if kinds[0] in ("R", "AL"):
        allowed = {"R", "AL", "AN", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"}
        ends = {"R", "AL", "EN", "AN"}
        if "EN" in kinds and "AN" in kinds:
            return False
    elif kinds[0] == "L":
        allowed = {"L", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"}
        ends = {"L", "EN"}
    else:
        return False
    tail = [kind for kind in kinds if kind != "NSM"]
    return set(kinds) <= allowed and bool(tail) and tail[-1] in ends
