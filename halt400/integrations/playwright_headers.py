"""Header fields as a browser tells them.

Chromium's devtools protocol names the fields of a request sorted by name (seen with 156), whatever the version of HTTP:
their order on the wire is not told. They are put in the order in which Chromium writes its own; fields that the scraper
adds stand last.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

__all__ = ["in_browsers_order", "of_the_scraper", "pairs"]

Fields = list[tuple[str, str]]

_CHROMIUM_ORDER = (
    *(":method", ":authority", ":scheme", ":path"),
    *("host", "connection", "content-length", "pragma", "cache-control"),
    *("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "origin", "content-type"),
    *("upgrade-insecure-requests", "user-agent", "accept"),
    *("sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest", "referer"),
    *("accept-encoding", "accept-language", "cookie", "if-none-match", "if-modified-since", "priority"),
)
"""As Chromium 156 writes the request for a page."""
_PLACES = {name: place for place, name in enumerate(_CHROMIUM_ORDER)}
_OF_THE_SCRAPER = ("content-type", "authorization")
"""Fields of the table that say something of the scraper's own request."""


def pairs(told: Iterable[Mapping[str, str]]) -> Fields:
    """Return the names and values of what Playwright's ``headers_array`` gives."""
    return [(field["name"], field["value"]) for field in told]


def in_browsers_order(fields: Fields, url: str) -> Fields:
    """Return fields that are told sorted by name in Chromium's order; others as they are.

    While a route stands, Chromium tells less: without what its network stack adds. Of that, the host is known.

    Examples
    --------
    >>> in_browsers_order([("Accept", "*/*"), ("Host", "a.example"), ("X-Shop", "7")], "http://a.example/")
    [('Host', 'a.example'), ('Accept', '*/*'), ('X-Shop', '7')]
    >>> in_browsers_order([("Accept", "*/*")], "http://a.example:8080/orders")
    [('Host', 'a.example:8080'), ('Accept', '*/*')]
    """
    names = [name for name, _ in fields]
    if names != sorted(names):
        return fields
    found = sorted(fields, key=lambda field: _PLACES.get(field[0].lower(), len(_PLACES)))
    if not any(name.lower() in ("host", ":authority") for name in names):
        found.insert(0, ("Host", urlsplit(url).netloc.rpartition("@")[2]))
    return found


def of_the_scraper(headers: Mapping[str, str]) -> Fields:
    """Return the fields that are not the browser's own, in one order, whatever the browser tells before it sends.

    Examples
    --------
    >>> of_the_scraper({"x-shop": "7", "user-agent": "Mozilla/5.0", "content-type": "application/json"})
    [('content-type', 'application/json'), ('x-shop', '7')]
    """
    return sorted((name, value) for name, value in headers.items() if name not in _PLACES or name in _OF_THE_SCRAPER)
