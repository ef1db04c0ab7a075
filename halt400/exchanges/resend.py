"""A request as the bytes that are sent, and as a shell command that sends them again. Pure.

curl can send most requests byte for byte, with its own headers off and the request target as it was. A request that
curl would correct or refuse (a ``Host`` that is not first, a line feed in a header, a body without its length) goes
through a plain connection: openssl for https, ``/dev/tcp`` of bash for http.

Sources: RFC 9112 section 3 (request line); curl(1): --request-target, --path-as-is, -H "name:" removes a header.
"""

import re
import shlex
from base64 import b64decode, b64encode
from urllib.parse import urlsplit

from halt400.errors import ArchiveError
from halt400.records import Request

__all__ = ["curl_command", "raw_request", "request_body"]

_URL = re.compile(r"(?i)(https?)://(?:[^/?#]*@)?([^/?#]*)([^#]*)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_TEXT = re.compile(r"[\t\n\r\x20-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]*")
_OWN_HEADERS = ("User-Agent", "Accept", "Content-Type", "Content-Length", "Expect", "Transfer-Encoding")
_ARGUMENT_MAX = 100_000


def request_body(request: Request) -> bytes:
    """The body as it was sent; empty where there was none.

    Raises
    ------
    ArchiveError
        The record's base64 is invalid.
    """
    if request.body is not None:
        return request.body.encode("utf-8", "surrogatepass")
    try:
        return b64decode(request.body_base64 or "", validate=True)
    except ValueError as error:
        raise ArchiveError(f"The body is no base64: {error}.", "Correct the publisher of the event.") from None


def raw_request(request: Request) -> bytes:
    """The request as HTTP/1.1 sends it; a request of HTTP/2 in the grammar of HTTP/1.1.

    A ``Host`` and, with a body, a ``Content-Length`` are added where the record has none: every client sends them.
    """
    _, host, target = _parts(request.url)
    headers = [(name, value) for name, value in request.headers if not name.startswith(":")]
    body = request_body(request)
    names = {name.strip().lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return b"\r\n".join(_octets(line) for line in lines) + body


def curl_command(request: Request) -> str:
    r"""A shell command that sends the request: for POSIX with curl, or for bash where curl would change it.

    Examples
    --------
    >>> print(curl_command(Request(method="GET", url="https://api.shop.example/v1?page=3", headers=[("A", "b")])))
    curl --http1.1 --globoff --path-as-is --include \
      --request GET --request-target '/v1?page=3' https://api.shop.example \
      --header 'A: b' --header User-Agent: --header Accept:
    """
    scheme, host, target = _parts(request.url)
    if not _curl_sends_unchanged(request, target):
        return _connection_command(request, scheme, host)
    body = request_body(request)
    headers = [(name, value) for name, value in request.headers if not name.startswith(":")]
    sent = {name.lower() for name, _ in headers}
    arguments = [f"{name}: {value}" for name, value in headers]
    removed = [name for name in _OWN_HEADERS if name.lower() not in sent]
    if not body:
        removed = [name for name in removed if name in {"User-Agent", "Accept"}]
    elif not sent & {"content-length", "transfer-encoding"}:
        removed.remove("Content-Length")
    arguments += [f"{name}:" for name in removed]
    origin = f"{scheme}://{host}"
    lines = [
        "curl --http1.1 --globoff --path-as-is --include",
        f"--request {shlex.quote(request.method)} --request-target {shlex.quote(target)} {shlex.quote(origin)}",
        " ".join(f"--header {shlex.quote(argument)}" for argument in arguments),
    ]
    if request.method == "HEAD":
        lines[0] += " --head"
    start = ""
    if body:
        text = body.decode("utf-8", "replace")
        if text.encode() == body and _TEXT.fullmatch(text) and len(body) <= _ARGUMENT_MAX:
            lines.append(f"--data-raw {shlex.quote(text)}")
        else:
            start = f"base64 --decode <<'END' |\n{_wrapped(body)}\nEND\n"
            lines.append("--data-binary @-")
    return start + " \\\n  ".join(lines)


def _curl_sends_unchanged(request: Request, target: str) -> bool:
    """Whether curl sends this request byte for byte."""
    headers = [(name, value) for name, value in request.headers if not name.startswith(":")]
    names = [name.lower() for name, _ in headers]
    body = request_body(request)
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    return (
        _TOKEN.fullmatch(request.method) is not None
        and _TARGET.fullmatch(target) is not None
        and all(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers)
        and names.count("host") <= 1
        and ("host" not in names or names[0] == "host")
        and not {"transfer-encoding", "expect", "te", "upgrade"} & set(names)
        and (lengths in ([], [str(len(body))]))
        and (bool(body) or not lengths)
        and not request.body_truncated
    )


def _connection_command(request: Request, scheme: str, host: str) -> str:
    parts = urlsplit(f"//{host}")
    try:
        name, port = parts.hostname or host, parts.port or (443 if scheme == "https" else 80)
    except ValueError:
        raise ArchiveError(
            f"{host!r} has no valid port.", "Send it by hand: `halt400 archive show --raw` prints the bytes."
        ) from None
    raw = f"base64 --decode <<'END'\n{_wrapped(raw_request(request))}\nEND"
    note = "# curl would change this request, so it goes through a plain connection, byte for byte.\n"
    if scheme == "https":
        target = shlex.quote(f"{name}:{port}")
        return f"{note}openssl s_client -quiet -connect {target} -servername {shlex.quote(name)} < <({raw}\n)"
    script = f"exec 3<>/dev/tcp/{name}/{port}; cat >&3; cat <&3"
    return f"{note}bash -c {shlex.quote(script)} < <({raw}\n)"


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and request target; the target is not normalised.

    Raises
    ------
    ArchiveError
        The URL has no scheme or no host.
    """
    match = _URL.fullmatch(url.partition("#")[0])
    if match is None or not match[2]:
        raise ArchiveError(f"{url!r} has no host to send to.", "Send it by hand; `halt400 archive show` prints it.")
    target = match[3]
    return match[1].lower(), match[2], target if target.startswith("/") else f"/{target}"


def _octets(text: str) -> bytes:
    """Encode a header line: clients give its octets as Latin-1; characters beyond that were UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _wrapped(data: bytes) -> str:
    encoded = b64encode(data).decode()
    return "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
