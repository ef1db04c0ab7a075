"""What changed between good requests of a target and this one: release, URL template, headers, query, body, formats.

One implementation for the diagnosis, the alerts and the page. It holds names, types and formats, never a value.
"""

from __future__ import annotations

from itertools import pairwise

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.profile import MIN_SUCCESSES, Profile, TemplateProfile, template_key
from halt400.diagnosis.structure import difference, structure_of
from halt400.diagnosis.value_formats import formats_of
from halt400.fingerprints import TRANSIT_HEADERS
from halt400.records import RequestChange

__all__ = ["MOST_CHANGES", "USUAL", "changes_of"]

USUAL = 0.5
"""A header that this part of the good requests has is missed where it is not sent."""
MOST_CHANGES = 20
_NOT_ORDERED = frozenset({"content-length", "transfer-encoding"})
_MOST_ORDERED = 8


def changes_of(exchange: Exchange, profile: Profile, release: str | None = None) -> list[RequestChange] | None:
    """What differs, the likeliest to matter first; None where too few good requests like this one are known.

    Parameters
    ----------
    exchange
        The request.
    profile
        What good requests to its target look like.
    release
        The release of the scraper that sent it.

    Examples
    --------
    >>> from halt400.records import Request
    >>> profile, good = Profile(), Request(method="GET", url="https://a.example/items?page=1", headers=[("X-V", "2")])
    >>> for _ in range(3):
    ...     profile.observe(good, release="3.1")
    >>> one = Exchange(Request(method="GET", url="https://a.example/items"))
    >>> [(change.what, change.here) for change in changes_of(one, profile, "3.2")][:2]
    [('release', '3.2'), ('query parameter page', 'missing')]
    """
    known = profile.template_for_exchange(exchange)
    if known is None or known.successes < MIN_SUCCESSES:
        other = _like_template(exchange, profile)
        return [other] if other is not None else None
    found: list[RequestChange] = []
    if release and known.release and release != known.release:
        found.append(RequestChange("release", release[:80], f"{known.release}, the last with good requests"))
    found += _body(exchange, known)
    found += _query(exchange, known)
    found += _formats(exchange, known)
    found += _headers(exchange, known)
    return found[:MOST_CHANGES]


def _like_template(exchange: Exchange, profile: Profile) -> RequestChange | None:
    """The template of good requests that this one differs from in one or two segments only."""
    own = template_key(exchange.request)
    parts = own.split("/")
    best: tuple[int, str, int] | None = None
    for key, known in profile.templates.items():
        others = key.split("/")
        if known.successes < MIN_SUCCESSES or others[0] != parts[0] or abs(len(others) - len(parts)) > 1:
            continue
        same = _shared(parts, others)
        apart = max(len(parts), len(others)) - same
        if 0 < apart <= 2 and same > 2 and (best is None or apart < best[0]):
            best = (apart, key, known.successes)
    if best is None:
        return None
    return RequestChange("URL template", own, f"{best[1]}, of {best[2]} good requests")


def _shared(one: list[str], two: list[str]) -> int:
    """How many segments are the same from the front and, of the rest, from the end."""
    front = 0
    while front < min(len(one), len(two)) and one[front] == two[front]:
        front += 1
    end = 0
    while end < min(len(one), len(two)) - front and one[-1 - end] == two[-1 - end]:
        end += 1
    return front + end


def _body(exchange: Exchange, known: TemplateProfile) -> list[RequestChange]:
    sent = structure_of(exchange)
    if not known.shapes:
        return []
    total = sum(shape.count for shape in known.shapes)
    if sent is None:
        return [RequestChange("body", "none that can be read", f"JSON or a form in {total} good requests")]
    nearest = min(known.shapes, key=lambda shape: sum(len(part) for part in difference(sent, shape.paths)))
    gone, changed, added = difference(sent, nearest.paths)
    found = [RequestChange(f"body {path}", kind, before) for path, before, kind in changed]
    found += [
        RequestChange(f"body {path}", "missing", f"{nearest.paths[path]}, in all good requests")
        for path in gone
        if all(path in shape.paths for shape in known.shapes)
    ]
    found += [
        RequestChange(f"body {path}", sent[path], "in no good request")
        for path in added
        if all(path not in shape.paths for shape in known.shapes)
    ]
    return found


def _query(exchange: Exchange, known: TemplateProfile) -> list[RequestChange]:
    query = exchange.url[:16_384].partition("#")[0].partition("?")[2]
    names = {pair.partition("=")[0][:80] for pair in query.split("&")[:256] if pair}
    found = [
        RequestChange(f"query parameter {name}", "missing", f"in {count} of {known.successes} good requests")
        for name, count in known.query.items()
        if count >= known.successes and name not in names
    ]
    if len(known.query) < 32:  # a full table has forgotten some
        found += [
            RequestChange(f"query parameter {name}", "sent", "in no good request")
            for name in sorted(names)
            if name not in known.query
        ]
    return found


def _formats(exchange: Exchange, known: TemplateProfile) -> list[RequestChange]:
    return [
        RequestChange(f"query parameter {path[1:]}" if path.startswith("?") else f"body {path}", kind, usual)
        for path, kind in formats_of(exchange).items()
        if (usual := known.formats.get(path)) and usual != kind
    ]


def _headers(exchange: Exchange, known: TemplateProfile) -> list[RequestChange]:
    if not known.headers or not exchange.headers:
        return []
    sent: dict[str, str] = {}
    for name, _ in exchange.headers:
        sent.setdefault(name.lower(), name)
    found = [
        RequestChange(
            f"header {seen.spelling or name}", "missing", f"in {known.presence(name):.0%} of the good requests"
        )
        for name, seen in known.headers.items()
        if name not in sent and known.presence(name) >= USUAL
    ]
    found += [
        RequestChange(f"header {name}", "sent", "in no good request")
        for lower, name in sent.items()
        if lower not in known.headers and lower not in TRANSIT_HEADERS
    ]
    essence = exchange.media_type.essence
    if essence and known.content_types and essence not in known.content_types:
        found.append(RequestChange("Content-Type", essence, ", ".join(known.content_types)))
    order = _order(sent, known)
    return [*found, order] if order is not None else found


def _order(sent: dict[str, str], known: TemplateProfile) -> RequestChange | None:
    shared = [name for name in sent if name in known.headers and name not in _NOT_ORDERED]
    usual = sorted(shared, key=lambda name: known.headers[name].position_sum / known.headers[name].count)
    places = [known.headers[name].position_sum / known.headers[name].count for name in shared]
    if all(one <= two + 1e-9 for one, two in pairwise(places)):
        return None
    here, there = (", ".join(sent[name] for name in names[:_MOST_ORDERED]) for names in (shared, usual))
    return RequestChange("order of headers", here, there) if here != there else None
