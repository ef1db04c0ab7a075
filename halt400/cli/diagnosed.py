"""Diagnoses of recorded exchanges: a refused one is compared with the good ones before it in the same input."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from halt400.diagnosis import Contract, Profile, find_defect
from halt400.exchanges import RecordedExchange
from halt400.records import Diagnosis

__all__ = ["diagnosed"]


def diagnosed(
    exchanges: Iterable[RecordedExchange], contract: Contract | None = None
) -> list[tuple[RecordedExchange, Diagnosis | None]]:
    """Each exchange with its diagnosis, None where nothing is wrong."""
    profiles: dict[str, Profile] = {}
    found = []
    for one in exchanges:
        profile = profiles.setdefault(_target(one), Profile())
        release = one.event.release if one.event is not None else None
        status = one.response.status if one.response is not None else None
        refused = status is not None and 400 <= status < 500
        diagnosis = find_defect(
            one.request,
            one.response,
            profile if refused else None,
            as_sent=one.as_sent,
            bare_line_feeds=one.bare_line_feeds,
            release=release,
            contract=contract,
        )
        if status is not None and 200 <= status < 300:
            profile.observe(one.request, time_ms=one.time_ms or 0, release=release)
        found.append((one, diagnosis))
    return found


def _target(one: RecordedExchange) -> str:
    try:
        return one.host or urlsplit(one.request.url).netloc.lower()
    except ValueError:
        return ""
