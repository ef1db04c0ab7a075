"""Who wrote a refusal: the application, the HTTP server before it, or an edge that never asked it.

Pure. What each is known by, and its source: `answering_servers`.
"""

from __future__ import annotations

from msgspec import Struct

from halt400.diagnosis.answering_servers import JSON_SIGNS, KNOWN, PAGES, SERVER_FIELDS, SHAPES, Answerer
from halt400.diagnosis.exchange import Exchange
from halt400.records import Evidence

__all__ = ["APPLICATION", "AnsweringServer", "answer_of"]

APPLICATION = "the application"
_LOOKED_AT = 4096
_SHORT = 64
_PAGE = 512
_OWN_WORDS = ("400 Bad Request", "431 Request Header Fields Too Large", "505 HTTP Version Not Supported")
"""The texts of Go's net/http; the status line repeats them with the reason."""


class AnsweringServer(Struct, frozen=True):
    """Who answered.

    Attributes
    ----------
    name
        A name of `KNOWN`, `APPLICATION`, or names that answer alike with ``or`` between.
    known
        The first of them, if any, with its source.
    evidence
        Where that is seen, and why it does so; None for the application.
    """

    name: str
    known: Answerer | None = None
    evidence: Evidence | None = None


def answer_of(exchange: Exchange) -> AnsweringServer | None:
    r"""Who answered; None where there is no refusal or it does not tell.

    Examples
    --------
    >>> from halt400.records import Request, Response
    >>> page = "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>"
    >>> answer_of(Exchange(Request(method="GET", url="https://a.example/"), Response(status=400, body=page))).name
    'HAProxy'
    """
    if exchange.status is None or exchange.status < 400:
        return None
    cache = exchange.parsed_response.cache
    if "answer" not in cache:
        cache["answer"] = _answer(exchange)
    found: AnsweringServer | None = cache["answer"]
    if found is not None and not exchange.as_sent and exchange.response is not None and not exchange.response.headers:
        # No header at all says nothing where a recorder may have left the headers out.
        return found if exchange.response_text.strip() else None
    return found


def _answer(exchange: Exchange) -> AnsweringServer | None:
    text = exchange.response_text[:_LOOKED_AT]
    lowered = text.lower()
    if exchange.response_json is not None:
        return _of_json(exchange, lowered)
    for sign, name in PAGES:
        if sign in lowered:
            return _of_page(exchange, name)
    server = _server_field(exchange)
    if exchange.response_fields.get("x-powered-by") == ["Express"] and "<pre>" in lowered:
        return _named("Express", "response_header", "X-Powered-By")
    if server == "aiohttp":
        return _named(server, "response_body", None) if "\n\n  b" in text else AnsweringServer(APPLICATION)
    if not text.strip():
        return _of_empty(exchange, server) if _is_empty(exchange) else None
    plain = "".join(exchange.response_fields.get("content-type", ())).startswith("text/plain")
    names = " ".join([name for name, _ in exchange.response.headers]) if exchange.response is not None else ""
    if names == "Content-Type Connection" and text.startswith(_OWN_WORDS):
        return _named("Go net/http", "response_body", None)
    if names.startswith("Content-Type X-Content-Type-Options Date") and plain:
        return _named("Go net/http", "response_body", None)
    if names in ("Content-Length Content-Type", "Content-Length Content-Type Connection") and plain:
        return _named("Cheroot", "response_body", None)
    if names == "Content-Type Connection Content-Length" and text == "Bad Request":
        return _named("H2O", "response_body", None)
    if server == "lighttpd" and ("<h1>4" in lowered or "<h1>5" in lowered):
        return _named(server, "response_body", None)
    if server is not None and len(text) < _PAGE and "<h1>400 bad request</h1>" in lowered and KNOWN[server].edge:
        return _named(server, "response_header", "Server")
    if server in ("Envoy", "H2O") and plain and len(text) < _SHORT:
        return _named(server, "response_header", "Server")
    return None


def _of_json(exchange: Exchange, lowered: str) -> AnsweringServer:
    for sign, name in JSON_SIGNS:
        if sign in lowered:
            return _named(name, "response_body", None)
    fields = exchange.response_fields
    document = exchange.response_json
    if isinstance(document, dict) and "message" in document and len(document) <= 2:
        if "x-amzn-errortype" in fields and "x-amz-apigw-id" in fields:
            return _named("API Gateway", "response_header", "x-amzn-errortype")
        if _server_field(exchange) == "Kong" and "x-kong-proxy-latency" not in fields:
            return _named("Kong", "response_header", "Server")
    return AnsweringServer(APPLICATION)


def _of_page(exchange: Exchange, name: str) -> AnsweringServer:
    server = _server_field(exchange)
    if name == "Akamai" and server != "Akamai" and "reference" not in exchange.response_text[:_LOOKED_AT].lower():
        return AnsweringServer(server) if server is not None else AnsweringServer(APPLICATION)
    if name == "Python http.server" and server == "Werkzeug":
        name = "Werkzeug"
    if name == "Varnish" and "x-served-by" in exchange.response_fields:
        name = "Fastly"
    return _named(name, "response_body", None)


def _is_empty(exchange: Exchange) -> bool:
    """Whether the body was empty, not only left out by a recorder or a log."""
    response = exchange.response
    if response is None:
        return False
    return (
        response.body is not None or response.body_size == 0 or exchange.response_fields.get("content-length") == ["0"]
    )


def _of_empty(exchange: Exchange, server: str | None) -> AnsweringServer | None:
    if server is not None:
        return _named(server, "response_header", "Server")
    fields = exchange.response_fields
    if "x-azure-ref" in fields:
        return _named("Azure Front Door", "response_header", "X-Azure-Ref")
    if "x-served-by" in fields and "cache-" in fields["x-served-by"][0]:
        return _named("Fastly", "response_header", "X-Served-By")
    if exchange.response is None:
        return None
    name = SHAPES.get(" ".join([name for name, _ in exchange.response.headers]))
    return _named(name, "response_header", None) if name is not None else None


def _server_field(exchange: Exchange) -> str | None:
    for value in exchange.response_fields.get("server", ()):
        lowered = value.lower()
        if "aiohttp/" in lowered:
            return "aiohttp"
        for start, name in SERVER_FIELDS:
            if lowered.startswith(start):
                return name
    return None


def _named(name: str, where: str, field: str | None) -> AnsweringServer:
    known = KNOWN[name.partition(" or ")[0]]
    alike = " or ".join(name.split(" or ")[1:])
    also = f" ({alike} answer{'s' if ' or ' not in alike else ''} alike)" if alike else ""
    detail = f"{known.name}{also} wrote the response, not the application. {known.why} ({known.source})."
    return AnsweringServer(name, known, Evidence(where=where, name=field, detail=detail))
