"""From a recorded exchange to a response event: its id, its time, its job and its target.

The target is the one that the caller names, else the URL's host. A server's log often has only a path: its target is
then the virtual host, else the file's name in lower case, and the URL is ``http`` unless the virtual host has port 443.

The job is the one that the caller names, else the one in the record, else the file's name. The page of a HAR follows
it (``session.har/page_2``), and the first segment of the path in a server's log (``access.log/products``). A request
line that cannot be read, such as a TLS handshake on a plain port, has a job of its own, so that it halts no other.
"""

from base64 import b64decode
from hashlib import blake2b
from urllib.parse import urlsplit

import msgspec

from halt400.errors import InvalidRecord
from halt400.events import response_event, target_of
from halt400.exchanges.names import shortened
from halt400.exchanges.recorded import RecordedExchange
from halt400.records import Request, Response, ResponseEvent

__all__ = ["EventBuilder"]

NO_REQUEST_LINE = "(unreadable request line)"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ResponseEvent).decode


class EventBuilder:
    """Makes the events of one file.

    Parameters
    ----------
    label
        Name of the file.
    modified_ms
        When the file was last written. An exchange without a time is taken to have come one millisecond after the one
        before it, the first at `modified_ms`.
    target, job_id
        Target and job of every event, whatever the file has.

    Attributes
    ----------
    untimed
        Events made so far for which the file has no time.
    named_by_file
        Events made so far whose target is the file's name: the log has no host, and nobody named a target.
    """

    def __init__(self, label: str, modified_ms: int, target: str | None = None, job_id: str | None = None) -> None:
        self._label, self._target, self._job_id = label, target, job_id
        self._previous_ms = modified_ms - 1
        self.untimed = self.named_by_file = 0

    def event(self, exchange: RecordedExchange, event_id: str | None = None) -> ResponseEvent:
        """Make the event of an exchange that has a response.

        A `ResponseEvent` stays as it is; where the caller names its target or job it gets a new id.

        Parameters
        ----------
        exchange
            With a response, and without a fault.
        event_id
            The id of an event that is made, or gets a new one; default: from the record, its number, target and job.

        Raises
        ------
        InvalidRecord
            The exchange makes no valid event; the message says why.
        """
        event = self._own(exchange, event_id) if exchange.event is not None else self._made(exchange, event_id)
        if "/" in event.target or event.target != event.target.strip() or not event.target.isprintable():
            raise InvalidRecord(f"target {event.target!r}: no slash, control character or outer space")
        try:
            checked = _decode(_encode(event))
        except msgspec.ValidationError as error:
            raise InvalidRecord(str(error)) from error
        except UnicodeEncodeError as error:
            raise InvalidRecord(f"not expressible in UTF-8: {error.reason}") from error
        self._previous_ms = checked.time
        return checked

    def _own(self, exchange: RecordedExchange, event_id: str | None) -> ResponseEvent:
        event = exchange.event
        assert event is not None
        if self._target is None and self._job_id is None:
            return event
        target, job_id = shortened(self._target or event.target), shortened(self._job_id or event.job_id)
        event_id = event_id or _event_id(exchange.number, exchange.content, target, job_id)
        return msgspec.structs.replace(event, target=target, job_id=job_id, id=event_id)

    def _made(self, exchange: RecordedExchange, event_id: str | None) -> ResponseEvent:
        request, response, missing = exchange.request, exchange.response, exchange.missing
        assert response is not None
        method, url, target, job_id = request.method, request.url, None, exchange.job_id
        if exchange.server_log:
            target, url = self.logged_target(exchange)
            if self._target is None and exchange.host is None and _absolute_target(exchange) is None:
                self.named_by_file += 1
            job_id = job_id or self._logged_job(exchange)
        elif exchange.page is not None:
            job_id = job_id or f"{self._label}/{exchange.page}"
        if "method" in missing:
            method = "-"
        elif "method_case" in missing:
            method = method.upper()
        target = shortened(self._target or target or target_of(url))
        job_id = shortened(self._job_id or job_id or self._label)
        time_ms = exchange.time_ms
        if time_ms is None:
            time_ms = self._previous_ms + 1
            self.untimed += 1
        return response_event(
            method=method,
            url=url,
            http_version="unknown" if "http_version" in missing else request.http_version,
            status=response.status,
            job_id=job_id,
            target=target,
            event_id=event_id or _event_id(exchange.number, exchange.content, target, job_id),
            time_ms=time_ms,
            # HTTP/2's pseudo-headers repeat the request line.
            request_headers=[header for header in request.headers if not header[0].startswith(":")],
            request_body=_body(request),
            response_headers=[header for header in response.headers if not header[0].startswith(":")],
            response_body=_body(response),
            response_body_size=response.body_size,
            duration_ms=exchange.duration_ms,
        )

    def logged_target(self, exchange: RecordedExchange) -> tuple[str, str]:
        """Target and whole URL of a line in a server's log, which may have only a path."""
        url = exchange.request.url
        target = exchange.host or _absolute_target(exchange) or self._label.lower()
        if url.startswith("/"):
            host = self._target or target
            url = f"{'https' if host.endswith(':443') else 'http'}://{_without_default_port(host)}{url}"
        return _without_default_port(target), url

    def _logged_job(self, exchange: RecordedExchange) -> str:
        if "method" in exchange.missing:
            return f"{self._label} {NO_REQUEST_LINE}"
        return f"{self._label}/{_first_segment(exchange.request)}"


def _body(message: Request | Response) -> str | bytes | None:
    return message.body if message.body_base64 is None else b64decode(message.body_base64)


def _absolute_target(exchange: RecordedExchange) -> str | None:
    """The target of an absolute URL, as a forward proxy's log has it."""
    method, url = exchange.request.method, exchange.request.url
    if "method" in exchange.missing:
        return None
    if method == "CONNECT":
        return target_of(f"https://{url}")
    return target_of(url) if url[:8].lower().startswith(("http://", "https://")) else None


def _without_default_port(target: str) -> str:
    return target.removesuffix(":80").removesuffix(":443") if not target.endswith("::80") else target


def _first_segment(request: Request) -> str:
    if request.method == "CONNECT":
        return ""
    path = request.url
    if not path.startswith("/"):
        try:
            path = urlsplit(path).path
        except ValueError:
            path = ""
    return path.partition("?")[0].partition("#")[0].lstrip("/").partition("/")[0]


def _event_id(number: int, content: bytes, target: str, job_id: str) -> str:
    identity = blake2b(f"{number}\n{target}\n{job_id}\n".encode(errors="replace"), digest_size=16)
    identity.update(content)
    return identity.hexdigest()
