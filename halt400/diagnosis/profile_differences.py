"""The difference in structure to the nearest good body of the same template, which shows a change of the schema."""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from halt400.diagnosis.edits import replace_value
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import CauseFinding
from halt400.diagnosis.locations import evidence_at, locate_name
from halt400.diagnosis.places import place_of_name
from halt400.diagnosis.profile import MIN_SUCCESSES, Profile
from halt400.diagnosis.request_values import find_by_formats
from halt400.diagnosis.schema_remedies import value_at
from halt400.diagnosis.structure import difference, structure_of
from halt400.records import Evidence, Request

__all__ = ["find"]

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?")


def find(exchange: Exchange, profile: Profile) -> list[CauseFinding]:
    """Report the keys, types, formats and parameters of a request that those of good requests do not have."""
    known = profile.template_for_exchange(exchange)
    if known is None or known.successes < MIN_SUCCESSES:
        return []
    found = find_by_formats(exchange, known.formats)
    sent = structure_of(exchange)
    if sent is not None and known.shapes:
        nearest = min(known.shapes, key=lambda shape: sum(len(part) for part in difference(sent, shape.paths)))
        gone, changed, added = difference(sent, nearest.paths)
        gone = [path for path in gone if all(path in shape.paths for shape in known.shapes)]
        total = sum(shape.count for shape in known.shapes)
        evidence = [*_lacking(exchange, gone, total), *_changed(exchange, changed)]
        confidence = 0.0
        if gone or changed:
            confidence = min(0.8, 0.55 + 0.05 * total) if exchange.refused else min(0.7, 0.5 + 0.03 * total)
        added = [path for path in added if all(path not in shape.paths for shape in known.shapes)]
        if added:
            evidence.extend(_added(exchange, added))
            confidence = max(confidence, (0.6 if total >= 5 else 0.5) if exchange.refused else 0.35)
        if evidence:
            names = [item.name or "" for item in evidence[:3]]
            finding = CauseFinding(
                cause="schema_violation",
                confidence=confidence,
                remedy=_remedy(names, gone, changed),
                evidence=evidence[:8],
            )
            if changed:
                finding.mend = _mend_of_type(exchange, changed[0][0], changed[0][1])
            found.append(finding)
    missing = _missing_query(exchange, known.query, known.successes)
    if missing:
        detail = (
            f"The query parameter {missing[0]} is missing; every one of {known.successes} good requests carried it."
        )
        confidence = 0.75 if exchange.refused else 0.6
        remedy = f"Add {', '.join(missing[:4])} to the query."
        evidence = [Evidence(where="url", name=missing[0], detail=detail)]
        found.append(CauseFinding(cause="schema_violation", confidence=confidence, remedy=remedy, evidence=evidence))
    return found


def _missing_query(exchange: Exchange, query: dict[str, int], successes: int) -> list[str]:
    sent = exchange.url[:16_384].partition("#")[0].partition("?")[2]
    names = {pair.partition("=")[0][:80] for pair in sent.split("&")[:256]}
    return [name for name, count in query.items() if count >= successes and name not in names]


def _lacking(exchange: Exchange, paths: list[str], total: int) -> list[Evidence]:
    shown = []
    for path in paths[:4]:
        detail = f"The key {path} is missing; every one of {total} good bodies had it."
        shown.append(Evidence(where="body", name=path, detail=detail))
    return shown


def _changed(exchange: Exchange, changes: list[tuple[str, str, str]]) -> list[Evidence]:
    shown = []
    for path, before, kind in changes[:4]:
        detail = f"{path} is of type {kind}; good bodies have type {before} there."
        place = place_of_name(exchange, path.replace("[]", "[0]"), "body")
        at = evidence_at(exchange, place, detail, name=path, value=True) if place is not None else None
        shown.append(at or Evidence(where="body", name=path, detail=detail))
    return shown


def _mend_of_type(exchange: Exchange, path: str, before: str) -> Callable[[], Request | None]:
    """The value written in the type of good bodies, where it is the text of one or the number of a text."""

    def mend() -> Request | None:
        place = place_of_name(exchange, path.replace("[]", "[0]"), "body")
        if place is None or place.kind != "json":
            return None
        value = value_at(exchange, place)
        if before == "number" and isinstance(value, str) and _NUMBER.fullmatch(value):
            return replace_value(exchange, place, float(value) if "." in value else int(value))
        if before == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
            return replace_value(exchange, place, value.lower() == "true")
        if before == "string" and isinstance(value, int | float) and not isinstance(value, bool):
            return replace_value(exchange, place, str(value))
        if before in ("object", "array") and isinstance(value, str) and value[:1] in ("{", "["):
            try:
                return replace_value(exchange, place, orjson.loads(value))
            except orjson.JSONDecodeError:
                return None
        return None

    return mend


def _remedy(names: list[str], gone: list[str], changed: list[tuple[str, str, str]]) -> str:
    if changed and not gone:
        path, before, kind = changed[0]
        return f"Send {path} as {before}, as the target took it last; it is sent as {kind}."
    return f"Send the body as the target took it last: look at {', '.join(names)}."


def _added(exchange: Exchange, paths: list[str]) -> list[Evidence]:
    shown = []
    for path in paths[:4]:
        detail = f"The key {path} is in no good body."
        shown.append(locate_name(exchange, path, "body", detail) or Evidence(where="body", name=path, detail=detail))
    return shown
