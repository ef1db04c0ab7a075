"""Access logs of nginx in a ``log_format`` of one's own. Pure.

Of the variables (https://nginx.org/en/docs/varindex.html) these are read: the request (``$request``, or its parts), the
status, times and durations, sizes, host and scheme, ``$http_...`` (headers of the request), ``$sent_http_...`` (of the
response) and ``$request_body``; the others are passed over. nginx reads a time where it logs, after the response.
"""

from collections.abc import Mapping

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges.log_format import LogFormat
from halt400.exchanges.log_lines import ms_of_seconds, size_of, time_ms
from halt400.exchanges.recorded import Missing, RecordedExchange, status_of
from halt400.exchanges.request_line import VERSIONS, decoded, logged_request
from halt400.records import Header, Request, Response

__all__ = ["NginxLog"]

_URIS = ("request", "request_uri", "uri", "document_uri")
_SENT = "sent_http_"
_NOT_SHOWN = frozenset({"", "_"})

Values = Mapping[str, str]


class NginxLog:
    """Reads lines of one ``log_format``.

    Parameters
    ----------
    definition
        See `LogFormat`.

    Raises
    ------
    InputError
        It is no ``log_format``, or lacks the status or the request.

    Examples
    --------
    >>> log = NginxLog("$time_iso8601 $scheme://$host$request_uri $request_method $status $request_time")
    >>> found = log.parse_line(b"2024-05-01T10:00:00+00:00 https://shop.example/a?b=1 GET 400 0.250", 1)
    >>> found.request.url, found.host, found.response.status, found.duration_ms
    ('https://shop.example/a?b=1', 'shop.example', 400, 250.0)
    """

    def __init__(self, definition: str) -> None:
        self._format = LogFormat(definition)
        variables = self._format.variables
        if "status" not in variables:
            raise InputError("The log_format has no $status.", "Log it; without it no 400 is seen.")
        if not set(variables) & set(_URIS):
            raise InputError("The log_format has no request.", "Log $request, or $request_method and $request_uri.")

    def looks_like(self, line: bytes) -> bool:
        """Whether a line has this form."""
        return self._format.fits(decoded(line))

    def parse_line(self, line: bytes, number: int) -> RecordedExchange:
        """Read one line.

        Raises
        ------
        InvalidRecord
            The line has another form, or its time or status cannot be read.
        """
        values = self._format.values(decoded(line))
        if "status" not in values:
            raise InvalidRecord("no status")
        request, missing = _request(values)
        host = _host(values)
        if request.url.startswith("/") and host is not None and (scheme := _scheme(values)) is not None:
            request.url = f"{scheme}://{host}{request.url}"
        return RecordedExchange(
            where=f"line {number}",
            number=number,
            content=line,
            request=request,
            missing=missing,
            response=Response(
                status=status_of(values["status"]),
                headers=_headers(values, _SENT),
                body_size=size_of(values.get("body_bytes_sent") or values.get("bytes_sent")),
            ),
            time_ms=_time_ms(values),
            duration_ms=ms_of_seconds(values.get("request_time")),
            client_address=values.get("remote_addr"),
            host=host,
            server_log=True,
        )


def _request(values: Values) -> tuple[Request, tuple[Missing, ...]]:
    headers = _headers(values, "http_")
    for variable, name in (("content_type", "Content-Type"), ("content_length", "Content-Length")):
        if variable in values:
            headers.append((name, values[variable]))
    missing: tuple[Missing, ...]
    if "request" in values:
        request, missing = logged_request(values["request"], headers)
    else:
        request, missing = _from_parts(values, headers)
    body = values.get("request_body")
    if body is not None:
        request.body = body
    return request, missing


def _from_parts(values: Values, headers: list[Header]) -> tuple[Request, tuple[Missing, ...]]:
    method, protocol = values.get("request_method"), values.get("server_protocol", "").removeprefix("HTTP/")
    url = values.get("request_uri")
    if url is None:
        url = values.get("uri") or values.get("document_uri") or "-"
        arguments = values.get("args") or values.get("query_string")
        url += f"?{arguments}" if arguments else ""
    missing: list[Missing] = []
    if method is None:
        missing.append("method")
    if not protocol:
        missing.append("http_version")
    version = VERSIONS.get(protocol, protocol) or "1.1"
    return Request(method=method or "-", url=url, http_version=version, headers=headers), tuple(missing)


def _headers(values: Values, prefix: str) -> list[Header]:
    """Headers from variables such as ``http_user_agent``; the host has a field of its own."""
    return [
        ("-".join(word.capitalize() for word in name.removeprefix(prefix).split("_")), value)
        for name, value in values.items()
        if name.startswith(prefix) and name != "http_host"
    ]


def _host(values: Values) -> str | None:
    for name in ("http_host", "host", "server_name"):
        host = values.get(name, "").lower()
        if host not in _NOT_SHOWN:
            port = values.get("server_port")
            return host if port is None or name == "http_host" or ":" in host else f"{host}:{port}"
    return None


def _scheme(values: Values) -> str | None:
    return values.get("scheme") or ("https" if values.get("https") == "on" or "ssl_protocol" in values else None)


def _time_ms(values: Values) -> int | None:
    if (precise_ms := _ms_of_epoch(values.get("msec"))) is not None:
        return precise_ms
    time = values.get("time_iso8601") or values.get("time_local")
    return time_ms(time) if time is not None else None


def _ms_of_epoch(text: str | None) -> int | None:
    """Milliseconds of ``$msec``, seconds since the epoch with three decimals."""
    try:
        return round(float(text or "") * 1000)
    except (ValueError, OverflowError):
        return None
