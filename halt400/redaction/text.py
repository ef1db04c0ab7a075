"""Redact one text: by the names in it, by the shapes in it, in its URLs, and in its card numbers.

Each stage has a gate that costs a fraction of a microsecond and is closed for nearly every text.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from halt400.redaction.credentials import HEADER_KINDS, SCHEME, Seal, authorization, cookie, set_cookie, userinfo_spans
from halt400.redaction.fields import NAMES_MAX, find_fields
from halt400.redaction.known import Known
from halt400.redaction.names import STEM_GATE, STEMS, NameVerdict, compact, judge, looks_secret
from halt400.redaction.rules import RedactionRules
from halt400.redaction.sealing import Position, Sealer
from halt400.redaction.shapes import SHAPES, SecretShape, card_spans, custom, has_long_digits
from halt400.redaction.tokens import Tokens

__all__ = ["Gates", "Names", "TextRedactor", "lower"]

FINDS_MAX = 10_000
"""Of one shape in one text; the rest of a text with more of them is covered, so that the time stays bounded."""


def lower(text: str) -> str:
    """The text in lower case, of the same length (one capital of Turkish is two characters long otherwise)."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.replace("İ", "i").lower()


def _any_in(needles: tuple[str, ...], text: str) -> bool:
    for needle in needles:  # noqa: SIM110 - a generator costs twice the time
        if needle in text:
            return True
    return False


class Names:
    """The verdict on a name, by the built-in rules and the operator's."""

    __slots__ = ("gate", "of_header", "of_parameter", "stems")

    def __init__(self, rules: RedactionRules) -> None:
        headers = frozenset(map(compact, rules.header_names))
        parameters = frozenset(map(compact, rules.parameter_names))
        kept = frozenset(map(compact, rules.keep_names))
        extra = {re.split(r"[^a-z0-9]+", name.strip("-_. ").lower())[0] for name in rules.parameter_names}
        extra |= {re.split(r"[^a-z0-9]+", name.strip("-_. ").lower())[0] for name in rules.header_names}
        words = sorted({word for name in extra if (word := name)})
        self.gate = (*STEM_GATE, *words)
        self.stems = re.compile("|".join([*map(re.escape, words), STEMS]))

        @lru_cache(maxsize=4096)
        def of_parameter(name: str) -> NameVerdict:
            joined = compact(name)
            if joined in parameters or joined in headers:
                return NameVerdict.STRONG
            return NameVerdict.NONE if joined in kept and name.lower() not in HEADER_KINDS else judge(name)

        @lru_cache(maxsize=4096)
        def of_header(name: str) -> NameVerdict:
            joined = compact(name)
            if joined in headers or joined in parameters:
                return NameVerdict.STRONG
            verdict = NameVerdict.NONE if joined in kept else judge(name)
            return NameVerdict.NONE if verdict is NameVerdict.PLURAL else verdict

        self.of_parameter = of_parameter
        self.of_header = of_header

    def in_text(self, lowered: str) -> bool:
        """Whether a lower-case text can hold a secret name at all."""
        return _any_in(self.gate, lowered)


class Gates(NamedTuple):
    """Which stages a text, or several texts joined, can need at all."""

    names: bool
    shapes: tuple[SecretShape, ...]
    users: bool
    digits: bool


_SCHEMED = re.compile(rf"(?:{SCHEME})\s", re.IGNORECASE)
_BASIC = re.compile(r"\s*basic\s+(\S+)", re.IGNORECASE)


class TextRedactor:
    """Redacts texts with one set of rules and one key.

    Parameters
    ----------
    names, rules, tokens
        What is a secret by name and by the operator's patterns, and what replaces it.
    octets
        The texts are views of bytes, one character each.
    """

    def __init__(self, names: Names, rules: RedactionRules, tokens: Tokens, *, octets: bool = False) -> None:
        self._names = names
        self.sealer = Sealer(tokens, lambda name: judge(name) is not NameVerdict.NONE, octets=octets)
        self._shapes = (*custom(rules.patterns), *SHAPES)
        self._hints = [(hint, shape) for shape in self._shapes for hint in shape.hints]
        self._by_start: dict[str, tuple[SecretShape, ...]] = {}
        for shape in SHAPES:
            for hint in shape.hints:
                self._by_start[hint[:2]] = (*self._by_start.get(hint[:2], ()), shape)

    def gates(self, text: str) -> Gates:
        """What `text` can hold; the gates of joined texts are good for each of them."""
        return Gates(
            self._names.in_text(lower(text)),
            tuple(dict.fromkeys([shape for hint, shape in self._hints if hint in text])),
            "@" in text or "%40" in text,
            has_long_digits(text),
        )

    def text(self, text: str, known: Known | None = None, gates: Gates | None = None) -> str:
        """Any text with its secrets sealed; `known` collects them and finds their echoes."""
        gates = gates or self.gates(text)
        if gates.names:
            lowered = lower(text)
            if self._names.in_text(lowered):
                text = self._fields(text, lowered, known)
        return self.shapes(text, known, gates)

    def shapes(self, text: str, known: Known | None, gates: Gates) -> str:
        """The text with what shows by its shape sealed: tokens, keys, URLs with a user, card numbers, echoes."""
        for shape in gates.shapes:
            if _any_in(shape.hints, text):
                text = self._shape(text, shape)
        if gates.users:
            text = self.userinfo(text, known)
        if gates.digits and has_long_digits(text):
            text = _replace(text, card_spans(text, lambda digits: self.sealer.seal(digits, Position.TEXT)))
        return known.seal_echoes(text, self.sealer) if known is not None else text

    def userinfo(self, text: str, known: Known | None = None) -> str:
        """The text with user names and passwords in its URLs sealed."""
        if "@" not in text and "%40" not in text:
            return text
        spans = userinfo_spans(text, lambda value: self._secret(value, Position.URL, known), FINDS_MAX)
        if len(spans) >= FINDS_MAX:
            spans.append((spans[FINDS_MAX - 1][1], len(text), self.sealer.cover(text[spans[FINDS_MAX - 1][1] :])))
        return _replace(text, spans)

    def parameters(self, query: str, known: Known | None = None, gates: Gates | None = None) -> str:
        """A query or form body with the values of secret names sealed, as they stand, and nested texts redacted."""
        gates = gates or self.gates(query)
        if not gates.names or not self._names.in_text(lower(query)):
            return self.shapes(query, known, gates)
        parts = query.split("&")
        named = 0
        for index, part in enumerate(parts):
            name, equals, value = part.partition("=")
            if not value:
                continue
            named += 1
            if named > NAMES_MAX:
                parts[index:] = [self.sealer.cover("&".join(parts[index:]))]
                break
            verdict = self._names.of_parameter(_last_segment(name))
            if verdict is NameVerdict.NONE or (verdict is NameVerdict.WEAK and not looks_secret(value)):
                lowered = lower(value)
                if self._names.in_text(lowered):
                    parts[index] = name + equals + self._fields(value, lowered, known)
            elif verdict is not NameVerdict.PLURAL or not value.isdigit():
                parts[index] = name + equals + self._secret(value, Position.URL, known)
        return self.shapes("&".join(parts), known, gates)

    def header(self, name: str, value: str, known: Known | None = None, gates: Gates | None = None) -> str:
        """The value of one header, redacted by the header's name and by what is in it."""
        lowered_name = name.strip().rstrip(":").lower()
        kind = HEADER_KINDS.get(lowered_name)
        if kind is not None:
            return self._credentials(kind, value, Position.TEXT, known)
        verdict = self._names.of_header(lowered_name)
        if verdict is NameVerdict.STRONG or (verdict is NameVerdict.WEAK and looks_secret(value)):
            return self._secret(value, Position.TEXT, known)
        return self.text(value, known, gates)

    def _fields(self, text: str, lowered: str, known: Known | None) -> str:
        spans = []
        fields, searched = find_fields(text, lowered, self._names.stems, self._names.of_parameter)
        for field in fields:
            value = text[field.start : field.end]
            kind = HEADER_KINDS.get(field.name.lower())
            if kind is None:
                sealed = self._secret(value, field.position, known)
            else:
                sealed = self._credentials(kind, value, field.position, known)
            spans.append((field.start, field.end, sealed))
        if searched < len(text):
            spans.append((searched, len(text), self.sealer.cover(text[searched:])))
        return _replace(text, spans)

    def _credentials(self, kind: str, value: str, position: Position, known: Known | None) -> str:
        if kind == "authorization":
            basic = _BASIC.match(value) if known is not None else None
            if basic is not None and known is not None:
                known.add_basic(basic[1])
            return self._authorization(value, position, known)
        return (cookie if kind == "cookie" else set_cookie)(value, self._sealing(position, known, cookie=True))

    def _authorization(self, value: str, position: Position, known: Known | None) -> str:
        def first_word(secret: str) -> int:
            end = self.sealer.first_word(secret, position)
            return len(secret) if end < len(secret) and self.sealer.is_placeholder(secret.strip()) else end

        return authorization(value, self._sealing(position, known), first_word)

    def _sealing(self, position: Position, known: Known | None, *, cookie: bool = False) -> Seal:
        def seal(secret: str) -> str:
            return self._secret(secret, position, None if cookie and not looks_secret(secret) else known, plain=True)

        return seal

    def _secret(self, value: str, position: Position, known: Known | None, *, plain: bool = False) -> str:
        """One secret sealed; its kind stays where it shows (``sk_live_``, ``Bearer``)."""
        inner = value.strip()
        if not inner or self.sealer.is_placeholder(inner):
            return value
        if not plain and _SCHEMED.match(inner):
            return self._authorization(value, position, known)
        for shape in self._by_start.get(inner[:2], ()):
            match = shape.pattern.fullmatch(inner)
            if match is not None:
                sealed = inner[: match.start("s")] + self.sealer.seal(match["s"], position, shape.keep)
                return value.replace(inner, sealed + inner[match.end("s") :])
        sealed = self.sealer.seal(inner, position)
        if known is not None and sealed != inner:
            known.add(inner, position)
        if len(inner) == len(value):
            return sealed
        start = value.index(inner)
        return value[:start] + sealed + value[start + len(inner) :]

    def _shape(self, text: str, shape: SecretShape) -> str:
        spans: list[tuple[int, int, str]] = []
        for match in shape.pattern.finditer(text):
            if len(spans) >= FINDS_MAX:
                spans.append((spans[-1][1], len(text), self.sealer.cover(text[spans[-1][1] :])))
                break
            group = "s" if "s" in match.re.groupindex else (1 if match.re.groups else 0)
            start, end = match.span(group)
            if end > start:
                secret = text[start:end]
                if not self.sealer.is_placeholder(secret):
                    spans.append((start, end, self.sealer.seal(secret, Position.TEXT, shape.keep)))
        return _replace(text, spans)


def _last_segment(name: str) -> str:
    """``user[password]`` and ``user%5Bpassword%5D`` name a password; so does ``password[]``."""
    if "%" in name:
        name = name.replace("%5B", "[").replace("%5b", "[").replace("%5D", "]").replace("%5d", "]")
    if name.endswith("]"):
        segments = [segment for segment in re.split(r"[\[\]]+", name) if segment]
        return segments[-1] if segments else name
    return name


def _replace(text: str, spans: list[tuple[int, int, str]]) -> str:
    """The text with each span replaced; of two that overlap, the first in the text counts."""
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for start, end, sealed in sorted(spans):
        if start >= at:
            pieces += (text[at:start], sealed)
            at = end
    pieces.append(text[at:])
    return "".join(pieces)
