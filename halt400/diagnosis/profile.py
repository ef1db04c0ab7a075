"""The learned profile: what good requests to a target look like, per method and URL template.

A profile holds names, counts, sizes and structures, and never a value of a header or body. Its size is bounded for any
traffic: `MAX_TEMPLATES` templates per target, `MAX_HEADERS` names and `MAX_SHAPES` structures per template, and
`MAX_SUCCESSES` successes. It consists of `msgspec.Struct`, which ``msgspec.json`` and ``msgspec.msgpack`` read and
write.
"""

from __future__ import annotations

from msgspec import Struct

from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.payload_too_large import sizes
from halt400.diagnosis.structure import structure_of
from halt400.diagnosis.value_formats import MAX_FORMATS, formats_of
from halt400.fingerprints import TRANSIT_HEADERS, fingerprint_request
from halt400.records import Request
from halt400.url_templates import path_template

__all__ = ["MIN_SUCCESSES", "HeaderStatistics", "Profile", "RequestShape", "Success", "TemplateProfile", "template_key"]

MAX_TEMPLATES = 24
MAX_HEADERS = 48
MAX_SHAPES = 4
MAX_SUCCESSES = 64
MAX_QUERY_KEYS = 32
MIN_SUCCESSES = 3
"""Successes of a template before its profile is compared with requests."""
_HALVE_AT = 1024
_MAX_URL_CHARS = 1 << 16
_MAX_REQUEST_HEADERS = 1000


class HeaderStatistics(Struct, array_like=True):
    """The number of requests with a field, the sum of its relative positions (0-1), and its first spelling."""

    count: int = 0
    position_sum: float = 0.0
    spelling: str = ""


class RequestShape(Struct, array_like=True):
    """The structure of a successful body, and how many successes had it."""

    paths: dict[str, str]
    count: int = 1


class Success(Struct, array_like=True):
    """A success of an exact request: when (ms since the epoch), and from where."""

    time: int
    where: str = ""


class TemplateProfile(Struct, array_like=True):
    """What good requests with one method and URL template look like.

    Attributes
    ----------
    formats
        How values are written, by path (`value_formats`); an empty text where the good requests differ.
    release
        The release of the scraper that sent the last success.
    """

    successes: int = 0
    headers: dict[str, HeaderStatistics] = {}
    query: dict[str, int] = {}
    shapes: list[RequestShape] = []
    largest: dict[str, int] = {}
    content_types: dict[str, int] = {}
    last: int = 0
    formats: dict[str, str] = {}
    release: str = ""

    def presence(self, name: str) -> float:
        """The share of the successes with the field (lower-case name)."""
        found = self.headers.get(name)
        return found.count / self.successes if found is not None and self.successes else 0.0


def template_key(request: Request) -> str:
    """Method and URL template without the query, which is learned key by key.

    Examples
    --------
    >>> template_key(Request(method="GET", url="https://a.example/orders/42?page=1"))
    'GET https://a.example/orders/{n}'
    """
    return f"{request.method[:16].upper()} {path_template(request.url)[:512]}"


class Profile(Struct, array_like=True):
    """What good requests to one target look like.

    Examples
    --------
    >>> profile = Profile()
    >>> good = Request(method="GET", url="https://a.example/orders/42", headers=[("X-Client", "7"), ("Accept", "*/*")])
    >>> for second in range(3):
    ...     profile.observe(good, time_ms=second * 1000)
    >>> profile.template_for(good).presence("x-client")
    1.0
    """

    templates: dict[str, TemplateProfile] = {}
    successes: dict[str, Success] = {}

    def template_for(self, request: Request) -> TemplateProfile | None:
        """The profile of the template of this request, None where there is none yet."""
        return self.templates.get(template_key(request))

    def template_for_exchange(self, exchange: Exchange) -> TemplateProfile | None:
        """The same for an exchange under diagnosis, which caches its template."""
        key = exchange.cache.get("template")
        if key is None:
            key = exchange.cache["template"] = template_key(exchange.request)
        return self.templates.get(key)

    def observe(
        self,
        request: Request,
        *,
        time_ms: int = 0,
        where: str = "",
        fingerprint: str | None = None,
        release: str | None = None,
    ) -> None:
        """Learn from a request that the target answered with a 2xx, as the caller has checked.

        Parameters
        ----------
        request
            The request; the body may be absent.
        time_ms
            When it succeeded, ms since the epoch.
        where
            From where, such as a proxy or a region.
        fingerprint
            Its request fingerprint, if the caller has it already.
        release
            The release of the scraper that sent it.
        """
        if len(request.url) > _MAX_URL_CHARS or len(request.headers) > _MAX_REQUEST_HEADERS:
            return
        exchange = Exchange(request)
        self._remember(fingerprint or fingerprint_request(request), time_ms, where)
        key = template_key(request)
        known = self.templates.get(key)
        if known is None:
            if len(self.templates) >= MAX_TEMPLATES:
                del self.templates[min(self.templates, key=lambda other: self.templates[other].last)]
            known = self.templates[key] = TemplateProfile()
        known.last = max(known.last, time_ms)
        if release:
            known.release = release[:80]
        known.successes += 1
        _learn_headers(known, exchange)
        _learn_query(known, request.url)
        measured, _ = sizes(exchange)
        for what, size in measured.items():
            known.largest[what] = max(size, known.largest.get(what, 0))
        _learn_shape(known, exchange)
        _learn_formats(known, exchange)
        if known.successes >= _HALVE_AT:
            _halve(known)

    def _remember(self, fingerprint: str, time_ms: int, where: str) -> None:
        self.successes.pop(fingerprint, None)
        self.successes[fingerprint] = Success(time_ms, where[:80])
        while len(self.successes) > MAX_SUCCESSES:
            del self.successes[next(iter(self.successes))]


def _learn_headers(known: TemplateProfile, exchange: Exchange) -> None:
    names = list(dict.fromkeys(name for name, _ in exchange.headers))[: MAX_HEADERS * 2]
    last = max(1, len(names) - 1)
    for place, name in enumerate(names):
        lower = name.lower()
        if lower in TRANSIT_HEADERS or len(name) > 80:
            continue
        statistics = known.headers.get(lower)
        if statistics is None:
            if len(known.headers) >= MAX_HEADERS:
                rarest = min(known.headers, key=lambda other: known.headers[other].count)
                if known.headers[rarest].count * 10 > known.successes:
                    continue
                del known.headers[rarest]
            statistics = known.headers[lower] = HeaderStatistics(spelling=name)
        statistics.count += 1
        statistics.position_sum += place / last
        if statistics.count == 1:
            statistics.spelling = name
    if exchange.content_type is not None and exchange.media_type.essence and len(known.content_types) < 8:
        essence = exchange.media_type.essence[:80]
        known.content_types[essence] = known.content_types.get(essence, 0) + 1


def _learn_query(known: TemplateProfile, url: str) -> None:
    query = url[:16_384].partition("#")[0].partition("?")[2]
    for name in dict.fromkeys(pair.partition("=")[0][:80] for pair in query.split("&")[:64] if pair):
        if name in known.query or len(known.query) < MAX_QUERY_KEYS:
            known.query[name] = known.query.get(name, 0) + 1


def _learn_shape(known: TemplateProfile, exchange: Exchange) -> None:
    paths = structure_of(exchange)
    if paths is None:
        return
    for shape in known.shapes:
        if shape.paths == paths:
            shape.count += 1
            return
    if len(known.shapes) >= MAX_SHAPES:
        known.shapes.remove(min(known.shapes, key=lambda shape: shape.count))
    known.shapes.append(RequestShape(paths))


def _learn_formats(known: TemplateProfile, exchange: Exchange) -> None:
    for path, kind in formats_of(exchange).items():
        usual = known.formats.get(path)
        if usual is None:
            if len(known.formats) < MAX_FORMATS:
                known.formats[path] = kind
        elif usual != kind:
            known.formats[path] = ""


def _halve(known: TemplateProfile) -> None:
    """Halve the counts, so that old requests count less after the target has changed."""
    known.successes //= 2
    known.headers = {
        name: HeaderStatistics(seen.count // 2, seen.position_sum / 2, seen.spelling)
        for name, seen in known.headers.items()
        if seen.count > 1
    }
    known.query = {name: count // 2 for name, count in known.query.items() if count > 1}
    known.content_types = {name: count // 2 for name, count in known.content_types.items() if count > 1}
    known.shapes = [RequestShape(shape.paths, max(1, shape.count // 2)) for shape in known.shapes]
