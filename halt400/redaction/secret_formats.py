"""Secrets that are known by their format, such as tokens of GitHub, anywhere in a text; and card numbers.

Each format has a few literal hints. A text without a hint cannot hold the format. A search for a literal takes a tenth
of a microsecond, so most texts are never searched with a regular expression. Every expression is linear: it starts at
a literal or a boundary, and repeats one character class.

Sources: the token formats published by GitHub, GitLab, Stripe, Slack, AWS (IAM identifiers), Google Cloud, OpenAI,
Anthropic, SendGrid, Twilio, Shopify, npm, PyPI, Hugging Face, DigitalOcean, Vault, Telegram; RFC 7519 (JWT);
RFC 7468 (PEM); RFC 6750 (Bearer); ISO/IEC 7812 (card numbers, the Luhn check).
"""

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from halt400.lazy_patterns import lazy_pattern

__all__ = ["FORMATS", "SecretFormat", "card_spans", "custom_formats", "has_long_digits"]


def _any(_: str) -> bool:
    return True


class SecretFormat(NamedTuple):
    """One kind of secret: group ``s`` of `pattern` is replaced where it `holds`; the characters of `keep` stay."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    keep: str = ""
    holds: Callable[[str], bool] = _any


def _is_basic(credentials: str) -> bool:
    """Whether user and password can be read from it (RFC 7617, section 2): ``Basic membership-2026`` is a sentence."""
    whole = credentials.rstrip("=").translate(_STANDARD)
    try:
        decoded = b64decode(whole[: len(whole) // 4 * 4])
    except ValueError:
        return False
    return b":" in decoded or not decoded.translate(None, _PRINTABLE)


_STANDARD = str.maketrans("-_", "+/")
_PRINTABLE = bytes(range(32, 127))


_BOUNDARY = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
"""Where a word starts, also after an escape of JSON or of a URL."""


def _format(
    hints: str, pattern: str, keep: str = "", flags: int = 0, holds: Callable[[str], bool] = _any
) -> SecretFormat:
    compiled = lazy_pattern(pattern.replace("{B}", _BOUNDARY), flags | re.ASCII)
    return SecretFormat(tuple(hints.split()), compiled, keep, holds)


FORMATS: tuple[SecretFormat, ...] = (
    SecretFormat(
        ("PRIVATE KEY",),
        lazy_pattern(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----(?P<s>(?:(?!-----END)[^\"'<>])+)"),
    ),
    _format("eyJ", r"{B}eyJ(?P<s>[\w-]{6,}+(?:\.[\w-]*+){1,4})", "."),
    _format(
        "AKIA ASIA ABIA ACCA AROA AIDA AGPA ANPA ANVA",
        r"{B}(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|ANVA)(?P<s>[A-Z0-9]{16})(?![A-Za-z0-9])",
    ),
    _format("AIza", r"AIza(?P<s>[\w-]{30,}+)"),
    _format("ya29.", r"ya29\.(?P<s>[\w-]{8,}+(?:\.[\w-]++)*+)"),
    _format("GOCSPX-", r"GOCSPX-(?P<s>[\w-]{16,}+)"),
    _format("1//0", r"{B}1//0(?P<s>[\w-]{20,}+)"),
    _format(
        "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_",
        r"{B}[srp]k_(?:live|test)_(?P<s>[A-Za-z0-9]{8,}+)",
    ),
    _format("whsec_", r"whsec_(?P<s>[A-Za-z0-9+/]{16,}+)"),
    _format("ghp_ gho_ ghu_ ghs_ ghr_", r"{B}gh[pousr]_(?P<s>[A-Za-z0-9]{16,}+)"),
    _format("github_pat_", r"github_pat_(?P<s>[A-Za-z0-9_]{16,}+)"),
    _format("glpat-", r"glpat-(?P<s>[\w-]{16,}+)"),
    _format("xox xapp-", r"{B}(?:xox[abeoprs]|xapp)-(?P<s>[A-Za-z0-9-]{10,}+)"),
    _format("hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[\w/-]{16,}+)", "/"),
    _format("api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d+/(?P<s>[\w-]{16,}+)"),
    # A slug such as sk-hotel-bratislava-old-town-2026 has no such run of letters and digits.
    _format("sk-", r"{B}sk-(?:ant-|proj-)?(?=[\w-]{0,64}?(?=[A-Za-z]{0,15}[0-9])[A-Za-z0-9]{16})(?P<s>[\w-]{20,}+)"),
    _format("SG.", r"{B}SG\.(?P<s>[\w-]{12,}+\.[\w-]{12,}+)", "."),
    _format("SK", r"{B}SK(?P<s>[0-9a-f]{32})(?![A-Za-z0-9])"),
    _format("key-", r"{B}key-(?P<s>[0-9a-f]{32})(?![A-Za-z0-9])"),
    _format("npm_", r"{B}npm_(?P<s>[A-Za-z0-9]{30,}+)"),
    _format("pypi-", r"{B}pypi-(?P<s>[\w-]{50,}+)"),
    _format("shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_(?P<s>[0-9a-fA-F]{32})"),
    _format("hf_", r"{B}hf_(?P<s>[A-Za-z0-9]{30,}+)"),
    _format("dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_(?P<s>[0-9a-f]{64})"),
    _format("dapi", r"{B}dapi(?P<s>[0-9a-f]{32})"),
    _format("hvs. hvb.", r"{B}hv[sb]\.(?P<s>[\w-]{20,}+)"),
    _format("sq0atp- sq0csp-", r"sq0(?:atp|csp)-(?P<s>[\w-]{20,}+)"),
    _format(":AA", r"(?<!\d)\d{8,12}:AA(?P<s>[\w-]{30,}+)"),
    _format(
        "bearer Bearer BEARER",
        r"\bbearer(?:\s|%20|\+){1,4}+(?![Bb]earer\b)(?P<s>(?=[^\s0-9=]{0,256}[0-9=])[A-Za-z0-9._~+/=-]{12,}+)",
        "",
        re.IGNORECASE,
    ),
    _format(
        "basic Basic BASIC",
        r"\bbasic(?:\s|%20|\+){1,4}+(?P<s>(?=[^\s0-9=]{0,256}[0-9=])[A-Za-z0-9+/_=-]{8,}+)",
        "",
        re.IGNORECASE,
        _is_basic,
    ),
)
"""The built-in formats without card numbers, in the order of the search."""


def custom_formats(patterns: Sequence[str]) -> tuple[SecretFormat, ...]:
    """The formats of an operator's own expressions; group 1 is the secret, or the whole match."""
    return tuple(SecretFormat(("",), lazy_pattern(pattern)) for pattern in patterns)


_LONG_DIGITS = lazy_pattern(r"[2-6][0-9]{2}(?:(?:[ +-]|%20)?[0-9]){10}")
_DIGIT_RUN = lazy_pattern(
    r"(?:(?<![0-9A-Za-z.%])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=[^0-9]\.))"
    r"[0-9]{3,}+(?:(?:[ +-]|%20)[0-9]{3,}+)*+"
)
_SEPARATOR = lazy_pattern(r"(%20|[ +-])")
_CARD_MIN, _CARD_MAX = 13, 19
_GROUPS_MAX = 20_000
_NINES = str.maketrans("0123456789", "9999999999")
_DOUBLED = {digit: (int(digit) * 2 - 9 if digit > "4" else int(digit) * 2) for digit in "0123456789"}


def has_long_digits(text: str) -> bool:
    """Whether the text has 13 digits that may be a card number, in one or in several groups."""
    return _LONG_DIGITS.search(text) is not None


def _is_card(digits: str) -> bool:
    """Whether a number has the range and length of a card scheme and passes the Luhn check."""
    length = len(digits)
    two, four = int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        fits = length in {16, 19} or (length == 13 and not _is_article(digits))
    elif 51 <= two <= 55 or 2221 <= four <= 2720:
        fits = length == 16
    elif two in {34, 37}:
        fits = length == 15
    elif two in {36, 38, 39} or 3000 <= four <= 3059:
        fits = length == 14
    else:
        fits = length >= 16 and (four == 6011 or 3528 <= four <= 3589 or two in {50, 56, 57, 58, 62, 63, 64, 65, 67})
    if not fits:
        return False
    return (sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def _is_article(digits: str) -> bool:
    """Whether thirteen digits are an EAN-13: the check digit of GS1 holds. Many of Germany's begin with 4."""
    return (sum(map(int, digits[0::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def card_spans(text: str, replace: Callable[[str], str]) -> list[tuple[int, int, str]]:
    """The places of card numbers, as (start, end, replacement) in order.

    Groups of three digits and more may be joined by a space, plus, hyphen or ``%20``. After 20,000 groups every digit
    of the rest is masked.

    Parameters
    ----------
    text
        Any text.
    replace
        The replacement of the digits of one number, as long; it starts with a 9, so it is no card number.
    """
    found: list[tuple[int, int, str]] = []
    searched = 0
    for run in _DIGIT_RUN.finditer(text):
        if run.end() - run.start() < _CARD_MIN:
            continue
        groups = _groups(run[0], run.start())
        searched += len(groups)
        if searched > _GROUPS_MAX:
            found.append((run.start(), len(text), text[run.start() :].translate(_NINES)))
            break
        if text[run.end() : run.end() + 1].isalpha():
            groups.pop()
        replaced = [digits for _, digits in groups]
        _replace_cards(replaced, replace)
        for (start, digits), after in zip(groups, replaced, strict=True):
            if after != digits:
                found.append((start, start + len(digits), after))
    return found


def _groups(run: str, offset: int) -> list[tuple[int, str]]:
    groups: list[tuple[int, str]] = []
    for index, part in enumerate(_SEPARATOR.split(run, _GROUPS_MAX)):
        if not index % 2:
            groups.append((offset, part))
        offset += len(part)
    return groups


def _replace_cards(groups: list[str], replace: Callable[[str], str]) -> None:
    """Replace every card number in a run of groups, in place.

    A replaced group may form a card number with the digits before it, so the search steps back after each find. So
    a second pass finds nothing.
    """
    first = 0
    while first < len(groups):
        digits, last = "", first
        while last < len(groups) and len(digits) + len(groups[last]) <= _CARD_MAX:
            digits += groups[last]
            last += 1
            if len(digits) >= _CARD_MIN and digits[0] in "23456" and _is_card(digits):
                token, taken = replace(digits), 0
                for index in range(first, last):
                    end = taken + len(groups[index])
                    groups[index], taken = token[taken:end], end
                first = max(-1, first - _CARD_MAX // 3)
                break
        first += 1
