"""Evidence at a field or a value of a request, found by its name or its text (`places`)."""

from __future__ import annotations

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.finding import at_body, at_text
from halt400.diagnosis.places import SECRET_HEADERS, Place, place_of_name
from halt400.diagnosis.value_places import place_of_value
from halt400.records import Evidence

__all__ = ["evidence_at", "locate_name", "locate_value"]


def evidence_at(
    exchange: Exchange, place: Place, detail: str, *, name: str | None = None, value: bool = False
) -> Evidence:
    """Point at the name of a place, or at its value where `value` says so or there is no name."""
    name = name or place.name[:120] or None
    if place.where == "header":
        text = next((value for header, value in exchange.headers if header == place.name), "")
        secret = place.name.lower() in SECRET_HEADERS
        return at_text("header", text, place.value, detail, name=place.name, secret=secret)
    at_value = value or place.key < 0
    start = place.value if at_value else place.key
    length = place.value_end - place.value if at_value else place.key_length
    if place.where == "url":
        return at_text("url", exchange.url[:65536], start, detail, length=length, name=name)
    return at_body(exchange.parseable_body or b"", start, detail, length=length, name=name)


def locate_name(exchange: Exchange, name: str, location: str | None, detail: str) -> Evidence | None:
    """Locate the field `name`; None where the request does not hold it.

    Parameters
    ----------
    name, location
        As for `place_of_name`.
    detail
        What the evidence says.

    Examples
    --------
    >>> from halt400.records import Request
    >>> headers = [("Content-Type", "application/json")]
    >>> request = Request(method="POST", url="https://a.example/", headers=headers, body='{"a": {"name": 1}}')
    >>> locate_name(Exchange(request), "/a/name", None, "Refused.").offset
    7
    """
    place = place_of_name(exchange, name, location)
    return evidence_at(exchange, place, detail, name=name) if place is not None else None


def locate_value(exchange: Exchange, value: str, detail: str) -> Evidence | None:
    """Locate a value that the server repeats in the request, with the name of its field.

    Examples
    --------
    >>> from halt400.records import Request
    >>> request = Request(method="GET", url="https://a.example/search?query=status%3Anone")
    >>> locate_value(Exchange(request), "none", "Refused.").name
    'query'
    """
    place = place_of_value(exchange, value)
    return evidence_at(exchange, place, detail, value=True) if place is not None else None
