"""Secrets that betray themselves by their shape, wherever they stand.

Each shape names a few literal hints. A text without the hint cannot hold the shape, and looking for a literal costs a
tenth of a microsecond, so most texts never meet a regular expression. Every expression is linear: it starts at a
literal or a boundary, and repeats one character class.

Sources: the token formats published by GitHub, GitLab, Stripe, Slack, AWS (IAM identifiers), Google Cloud, OpenAI,
Anthropic, SendGrid, Twilio, Shopify, npm, PyPI, Hugging Face, DigitalOcean, Vault, Telegram; RFC 7519 (JWT);
RFC 7468 (PEM); RFC 6750 (Bearer); ISO/IEC 7812 (card numbers, the Luhn check).
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["SHAPES", "SecretShape", "card_spans", "custom", "has_long_digits"]


class SecretShape(NamedTuple):
    """One kind of secret: group ``s`` of `pattern` is sealed, the characters of `keep` in it stay."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    keep: str = ""


_BOUNDARY = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
"""Where a word starts, also behind an escape of JSON or of a URL."""


def _shape(hints: str, pattern: str, keep: str = "", flags: int = 0) -> SecretShape:
    return SecretShape(tuple(hints.split()), re.compile(pattern.replace("{B}", _BOUNDARY), flags | re.ASCII), keep)


SHAPES: tuple[SecretShape, ...] = (
    SecretShape(
        ("PRIVATE KEY",),
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----(?P<s>(?:(?!-----END)[^\"'<>])+)"),
    ),
    _shape("eyJ", r"{B}eyJ(?P<s>[\w-]{6,}+(?:\.[\w-]*+){1,4})", "."),
    _shape(
        "AKIA ASIA ABIA ACCA AROA AIDA AGPA ANPA ANVA",
        r"{B}(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|ANVA)(?P<s>[A-Z0-9]{16})(?![A-Za-z0-9])",
    ),
    _shape("AIza", r"AIza(?P<s>[\w-]{30,}+)"),
    _shape("ya29.", r"ya29\.(?P<s>[\w-]{8,}+(?:\.[\w-]++)*+)"),
    _shape("GOCSPX-", r"GOCSPX-(?P<s>[\w-]{16,}+)"),
    _shape("1//0", r"{B}1//0(?P<s>[\w-]{20,}+)"),
    _shape(
        "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_",
        r"{B}[srp]k_(?:live|test)_(?P<s>[A-Za-z0-9]{8,}+)",
    ),
    _shape("whsec_", r"whsec_(?P<s>[A-Za-z0-9+/]{16,}+)"),
    _shape("ghp_ gho_ ghu_ ghs_ ghr_", r"{B}gh[pousr]_(?P<s>[A-Za-z0-9]{16,}+)"),
    _shape("github_pat_", r"github_pat_(?P<s>[A-Za-z0-9_]{16,}+)"),
    _shape("glpat-", r"glpat-(?P<s>[\w-]{16,}+)"),
    _shape("xox xapp-", r"{B}(?:xox[abeoprs]|xapp)-(?P<s>[A-Za-z0-9-]{10,}+)"),
    _shape("hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[\w/-]{16,}+)", "/"),
    _shape("api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d+/(?P<s>[\w-]{16,}+)"),
    _shape("sk-", r"{B}sk-(?:ant-|proj-)?(?P<s>[\w-]{20,}+)"),
    _shape("SG.", r"{B}SG\.(?P<s>[\w-]{12,}+\.[\w-]{12,}+)", "."),
    _shape("SK", r"{B}SK(?P<s>[0-9a-f]{32})(?![A-Za-z0-9])"),
    _shape("key-", r"{B}key-(?P<s>[0-9a-f]{32})(?![A-Za-z0-9])"),
    _shape("npm_", r"{B}npm_(?P<s>[A-Za-z0-9]{30,}+)"),
    _shape("pypi-", r"{B}pypi-(?P<s>[\w-]{50,}+)"),
    _shape("shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_(?P<s>[0-9a-fA-F]{32})"),
    _shape("hf_", r"{B}hf_(?P<s>[A-Za-z0-9]{30,}+)"),
    _shape("dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_(?P<s>[0-9a-f]{64})"),
    _shape("dapi", r"{B}dapi(?P<s>[0-9a-f]{32})"),
    _shape("hvs. hvb.", r"{B}hv[sb]\.(?P<s>[\w-]{20,}+)"),
    _shape("sq0atp- sq0csp-", r"sq0(?:atp|csp)-(?P<s>[\w-]{20,}+)"),
    _shape(":AA", r"(?<!\d)\d{8,12}:AA(?P<s>[\w-]{30,}+)"),
    _shape(
        "bearer Bearer BEARER",
        r"\bbearer(?:\s|%20|\+){1,4}+(?![Bb]earer\b)(?P<s>(?=[^\s0-9=]{0,256}[0-9=])[A-Za-z0-9._~+/=-]{12,}+)",
        "",
        re.IGNORECASE,
    ),
    _shape(
        "basic Basic BASIC",
        r"\bbasic(?:\s|%20|\+){1,4}+(?P<s>(?=[^\s0-9=]{0,256}[0-9=])[A-Za-z0-9+/_=-]{8,}+)",
        "",
        re.IGNORECASE,
    ),
)
"""The built-in shapes, card numbers aside; in the order in which they are looked for."""


def custom(patterns: Sequence[str]) -> tuple[SecretShape, ...]:
    """The shapes of an operator's own expressions; group 1 is the secret, or the whole match."""
    return tuple(SecretShape(("",), re.compile(pattern)) for pattern in patterns)


_LONG_DIGITS = re.compile(r"[2-6][0-9]{2}(?:(?:[ +-]|%20)?[0-9]){10}")
_DIGIT_RUN = re.compile(
    r"(?:(?<![0-9A-Za-z.%])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=[^0-9]\.))"
    r"[0-9]{3,}+(?:(?:[ +-]|%20)[0-9]{3,}+)*+"
)
_SEPARATOR = re.compile(r"(%20|[ +-])")
_CARD_MIN, _CARD_MAX = 13, 19
GROUPS_MAX = 20_000
_NINES = str.maketrans("0123456789", "9999999999")
_DOUBLED = {digit: (int(digit) * 2 - 9 if digit > "4" else int(digit) * 2) for digit in "0123456789"}


def has_long_digits(text: str) -> bool:
    """Whether the text has 13 digits that could be a card number, groups of them joined."""
    return _LONG_DIGITS.search(text) is not None


def _is_card(digits: str) -> bool:
    """A number of a card scheme's range and length that passes the Luhn check."""
    length = len(digits)
    two, four = int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        known = length in {13, 16, 19}
    elif 51 <= two <= 55 or 2221 <= four <= 2720:
        known = length == 16
    elif two in {34, 37}:
        known = length == 15
    elif two in {36, 38, 39} or 3000 <= four <= 3059:
        known = length == 14
    else:
        known = length >= 16 and (four == 6011 or 3528 <= four <= 3589 or two in {50, 56, 57, 58, 62, 63, 64, 65, 67})
    if not known:
        return False
    return (sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def card_spans(text: str, seal: Callable[[str], str]) -> list[tuple[int, int, str]]:
    """Where card numbers stand, as (start, end, sealed) in order.

    Groups of three digits and more may be joined by a space, plus, hyphen or ``%20``. After 20,000 groups every digit
    of the rest is masked.

    Parameters
    ----------
    text
        Any text.
    seal
        Seals the digits of one number, as many digits; the sealed number starts with a 9, so it is no card.
    """
    found: list[tuple[int, int, str]] = []
    searched = 0
    for run in _DIGIT_RUN.finditer(text):
        if run.end() - run.start() < _CARD_MIN:
            continue
        groups = _groups(run[0], run.start())
        searched += len(groups)
        if searched > GROUPS_MAX:
            found.append((run.start(), len(text), text[run.start() :].translate(_NINES)))
            break
        if text[run.end() : run.end() + 1].isalpha():
            groups.pop()
        sealed = [digits for _, digits in groups]
        _seal_cards(sealed, seal)
        for (start, digits), after in zip(groups, sealed, strict=True):
            if after != digits:
                found.append((start, start + len(digits), after))
    return found


def _groups(run: str, offset: int) -> list[tuple[int, str]]:
    groups: list[tuple[int, str]] = []
    for index, part in enumerate(_SEPARATOR.split(run, GROUPS_MAX)):
        if not index % 2:
            groups.append((offset, part))
        offset += len(part)
    return groups


def _seal_cards(groups: list[str], seal: Callable[[str], str]) -> None:
    """Seal every card number in a run of groups, in place.

    A sealed group can make a card of the digits before it, so the search steps back after each find: what is left
    holds no card at all, and a second pass finds nothing.
    """
    first = 0
    while first < len(groups):
        digits, last = "", first
        while last < len(groups) and len(digits) + len(groups[last]) <= _CARD_MAX:
            digits += groups[last]
            last += 1
            if len(digits) >= _CARD_MIN and digits[0] in "23456" and _is_card(digits):
                token, taken = seal(digits), 0
                for index in range(first, last):
                    end = taken + len(groups[index])
                    groups[index], taken = token[taken:end], end
                first = max(-1, first - _CARD_MAX // 3)
                break
        first += 1
