"""Redact one text: values of secret names, secrets of known formats, users in URLs, and card numbers.

Before each stage a cheap test, a fraction of a microsecond, says whether the text can need it; nearly no text does.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from halt400.redaction.credentials import (
    HEADER_KINDS,
    SCHEME,
    Replace,
    authorization,
    cookie,
    set_cookie,
    userinfo_spans,
)
from halt400.redaction.fields import NAMES_MAX, find_fields
from halt400.redaction.known_secrets import KnownSecrets
from halt400.redaction.plain_values import is_plain
from halt400.redaction.rules import RedactionRules
from halt400.redaction.secret_formats import FORMATS, SecretFormat, card_spans, custom_formats, has_long_digits
from halt400.redaction.secret_names import NameVerdict, SecretNames, contains_any, judge, looks_secret, lower
from halt400.redaction.secret_replacer import SecretReplacer, Syntax
from halt400.redaction.tokens import Tokens

__all__ = ["NeededStages", "TextRedactor"]

FINDS_MAX = 10_000
"""Most secrets of one format in one text; the rest of a text with more is masked, so that the time stays bounded."""
_CLEAN_TEXTS, _CLEAN_CHARS = 4_096, 512
"""How many texts are known to be clean, and how long they are: a few megabytes at the most."""


class NeededStages(NamedTuple):
    """Which stages a text, or several joined texts, can need."""

    names: bool
    formats: tuple[SecretFormat, ...]
    users: bool
    digits: bool
    clean: Collection[str] = ()
    """Texts that have no secret: those of them were left out of the joined texts."""


_NONE_NEEDED = NeededStages(names=False, formats=(), users=False, digits=False)
_SCHEMED = re.compile(rf"(?:{SCHEME})\s", re.IGNORECASE)
_BASIC = re.compile(r"\s*basic\s+(\S+)", re.IGNORECASE)


class TextRedactor:
    """Redacts texts with one set of rules and one key.

    Parameters
    ----------
    names, rules, tokens
        The names of secrets, the operator's patterns, and the replacements.
    latin1
        The texts are bytes decoded as Latin-1.
    """

    def __init__(self, names: SecretNames, rules: RedactionRules, tokens: Tokens, *, latin1: bool = False) -> None:
        self._names = names
        self.replacer = SecretReplacer(tokens, lambda name: judge(name) is not NameVerdict.NONE, latin1=latin1)
        self._formats = (*custom_formats(rules.patterns), *FORMATS)
        self._hints = [(hint, secret_format) for secret_format in self._formats for hint in secret_format.hints]
        self._clean: set[str] = set()
        """Short texts that have no secret. A storm repeats them. A full set is replaced, never emptied."""
        self._by_start: dict[str, tuple[SecretFormat, ...]] = {}
        for secret_format in FORMATS:
            for hint in secret_format.hints:
                self._by_start[hint[:2]] = (*self._by_start.get(hint[:2], ()), secret_format)

    def needed_stages(self, text: str) -> NeededStages:
        """Which stages `text` can need; those of joined texts hold for each of the texts."""
        return NeededStages(
            self._names.in_text(lower(text)),
            tuple(dict.fromkeys([secret_format for hint, secret_format in self._hints if hint in text])),
            "@" in text or "%40" in text,
            has_long_digits(text),
        )

    def needed_stages_of(self, texts: Iterable[str]) -> NeededStages:
        """Which stages some texts can need; those that are known to be clean are not looked at."""
        clean = self._clean
        joined = "\n".join([text for text in texts if text not in clean])
        return (self.needed_stages(joined) if joined else _NONE_NEEDED)._replace(clean=clean)

    def text(self, text: str, known: KnownSecrets | None = None, stages: NeededStages | None = None) -> str:
        """Any text with its secrets replaced; `known` collects them, and their echoes are replaced, too."""
        if text in (stages.clean if stages is not None else self._clean):
            return known.replace_echoes(text, self.replacer) if known else text
        knew_none = known is not None and not known
        redacted = self._text(text, known, stages or self.needed_stages(text))
        if knew_none and not known and redacted == text and len(text) <= _CLEAN_CHARS:
            if len(self._clean) >= _CLEAN_TEXTS:
                self._clean = set()
            self._clean.add(text)
        return redacted

    def _text(self, text: str, known: KnownSecrets | None, stages: NeededStages) -> str:
        if stages.names:
            lowered = lower(text)
            if self._names.in_text(lowered):
                text = self._fields(text, lowered, known)
        return self.redact_formats(text, known, stages)

    def redact_formats(self, text: str, known: KnownSecrets | None, stages: NeededStages) -> str:
        """The text without secrets of known formats, users in URLs, card numbers and echoes."""
        for secret_format in stages.formats:
            if contains_any(secret_format.hints, text):
                text = self._replace_format(text, secret_format)
        if stages.users:
            text = self.userinfo(text, known)
        if stages.digits and has_long_digits(text):
            text = _replace_spans(text, card_spans(text, lambda digits: self.replacer.replace(digits, Syntax.TEXT)))
        return known.replace_echoes(text, self.replacer) if known is not None else text

    def userinfo(self, text: str, known: KnownSecrets | None = None) -> str:
        """The text with user names and passwords in its URLs replaced."""
        if "@" not in text and "%40" not in text:
            return text
        spans = userinfo_spans(text, lambda value: self._secret(value, Syntax.URL, known), FINDS_MAX)
        if len(spans) >= FINDS_MAX:
            spans.append((spans[FINDS_MAX - 1][1], len(text), self.replacer.mask_all(text[spans[FINDS_MAX - 1][1] :])))
        return _replace_spans(text, spans)

    def parameters(self, query: str, known: KnownSecrets | None = None, stages: NeededStages | None = None) -> str:
        """A query or form body with the values of secret names replaced, and nested texts redacted."""
        if stages is None or query in stages.clean:  # as a text it has no secret, as a query it may have
            stages = self.needed_stages(query)
        if not stages.names or not self._names.in_text(lower(query)):
            return self.redact_formats(query, known, stages)
        parts = query.split("&")
        named = 0
        for index, part in enumerate(parts):
            name, equals, value = part.partition("=")
            if not value:
                continue
            named += 1
            if named > NAMES_MAX:
                parts[index:] = [self.replacer.mask_all("&".join(parts[index:]))]
                break
            verdict = self._names.of_parameter(_last_segment(name))
            if verdict is NameVerdict.NONE or (verdict is NameVerdict.WEAK and not looks_secret(value)):
                lowered = lower(value)
                if self._names.in_text(lowered):
                    parts[index] = name + equals + self._fields(value, lowered, known)
            elif verdict is not NameVerdict.PLURAL or not value.isdigit():
                parts[index] = name + equals + self._secret(value, Syntax.URL, known)
        return self.redact_formats("&".join(parts), known, stages)

    def header(
        self, name: str, value: str, known: KnownSecrets | None = None, stages: NeededStages | None = None
    ) -> str:
        """The value of one header, redacted by the header's name and by its text."""
        lowered_name = name.strip().rstrip(":").lower()
        kind = HEADER_KINDS.get(lowered_name)
        if kind is not None:
            return self._credentials(kind, value, Syntax.TEXT, known)
        verdict = self._names.of_header(lowered_name)
        if verdict is NameVerdict.STRONG or (verdict is NameVerdict.WEAK and looks_secret(value)):
            return self._secret(value, Syntax.TEXT, known)
        return self.text(value, known, stages)

    def _fields(self, text: str, lowered: str, known: KnownSecrets | None) -> str:
        spans = []
        fields, searched = find_fields(text, lowered, self._names.stem_pattern, self._names.of_parameter)
        for field in fields:
            value = text[field.start : field.end]
            kind = HEADER_KINDS.get(field.name.lower())
            if kind is None:
                replaced = self._secret(value, field.syntax, known)
            else:
                replaced = self._credentials(kind, value, field.syntax, known)
            spans.append((field.start, field.end, replaced))
        if searched < len(text):
            spans.append((searched, len(text), self.replacer.mask_all(text[searched:])))
        return _replace_spans(text, spans)

    def _credentials(self, kind: str, value: str, syntax: Syntax, known: KnownSecrets | None) -> str:
        if kind == "authorization":
            basic = _BASIC.match(value) if known is not None else None
            if basic is not None and known is not None:
                known.add_basic(basic[1])
            return self._authorization(value, syntax, known)
        return (cookie if kind == "cookie" else set_cookie)(value, self._replacing(syntax, known, cookie=True))

    def _authorization(self, value: str, syntax: Syntax, known: KnownSecrets | None) -> str:
        def first_word(secret: str) -> int:
            end = self.replacer.first_word(secret, syntax)
            return len(secret) if end < len(secret) and self.replacer.is_placeholder(secret.strip()) else end

        return authorization(value, self._replacing(syntax, known), first_word)

    def _replacing(self, syntax: Syntax, known: KnownSecrets | None, *, cookie: bool = False) -> Replace:
        def replace(secret: str) -> str:
            return self._secret(secret, syntax, None if cookie and not looks_secret(secret) else known, plain=True)

        return replace

    def _secret(self, value: str, syntax: Syntax, known: KnownSecrets | None, *, plain: bool = False) -> str:
        """The replacement of one secret; a prefix that names its kind stays (``sk_live_``, ``Bearer``)."""
        inner = value.strip()
        if not inner or self.replacer.is_placeholder(inner) or is_plain(inner):
            return value
        if not plain and _SCHEMED.match(inner):
            return self._authorization(value, syntax, known)
        for secret_format in self._by_start.get(inner[:2], ()):
            match = secret_format.pattern.fullmatch(inner)
            if match is not None:
                replaced = inner[: match.start("s")] + self.replacer.replace(match["s"], syntax, secret_format.keep)
                return value.replace(inner, replaced + inner[match.end("s") :])
        replaced = self.replacer.replace(inner, syntax)
        if known is not None and replaced != inner:
            known.add(inner, syntax)
        if len(inner) == len(value):
            return replaced
        start = value.index(inner)
        return value[:start] + replaced + value[start + len(inner) :]

    def _replace_format(self, text: str, secret_format: SecretFormat) -> str:
        spans: list[tuple[int, int, str]] = []
        for match in secret_format.pattern.finditer(text):
            if len(spans) >= FINDS_MAX:
                spans.append((spans[-1][1], len(text), self.replacer.mask_all(text[spans[-1][1] :])))
                break
            group = "s" if "s" in match.re.groupindex else (1 if match.re.groups else 0)
            start, end = match.span(group)
            if end > start:
                secret = text[start:end]
                if secret_format.holds(secret) and not self.replacer.is_placeholder(secret):
                    spans.append((start, end, self.replacer.replace(secret, Syntax.TEXT, secret_format.keep)))
        return _replace_spans(text, spans)


def _last_segment(name: str) -> str:
    """``user[password]`` and ``user%5Bpassword%5D`` name a password; so does ``password[]``."""
    if "%" in name:
        name = name.replace("%5B", "[").replace("%5b", "[").replace("%5D", "]").replace("%5d", "]")
    if name.endswith("]"):
        segments = [segment for segment in re.split(r"[\[\]]+", name) if segment]
        return segments[-1] if segments else name
    return name


def _replace_spans(text: str, spans: list[tuple[int, int, str]]) -> str:
    """The text with each span replaced; of two that overlap, the first in the text counts."""
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for start, end, replaced in sorted(spans):
        if start >= at:
            pieces += (text[at:start], replaced)
            at = end
    pieces.append(text[at:])
    return "".join(pieces)
