"""Which URLs no client can parse: the failures of the WHATWG URL parser (https://url.spec.whatwg.org/#url-parsing).

Only the failure is computed, not the parsed URL: `invalid_url_encoding` reports what a client would repair.
"""

from __future__ import annotations

import re

from halt400.diagnosis.hosts import check_host

__all__ = ["parse_failure", "scheme_of"]

_SPECIAL = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "file": None}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_DROPPED = str.maketrans("", "", "\t\n\r")
_DRIVE = re.compile(r"[A-Za-z][:|](?=[/\\?#]|$)")


def scheme_of(url: str) -> str | None:
    """The scheme in lower case, None where there is none.

    Examples
    --------
    >>> scheme_of("HTTPS://shop.example/")
    'https'
    """
    found = _SCHEME.match(url.strip(_CONTROL_OR_SPACE).translate(_DROPPED))
    return found[1].lower() if found else None


def parse_failure(url: str, base: str | None = None) -> str | None:
    """The reason why a URL cannot be parsed at all; None where clients can parse it.

    Parameters
    ----------
    url
        The URL as given.
    base
        The URL that a relative one is resolved against.

    Examples
    --------
    >>> parse_failure("https://shop.example:99999/")
    'the port is above 65535'
    >>> parse_failure("https://exa%mple/")
    "the host holds the forbidden character '%'"
    >>> parse_failure("/cart", base="https://shop.example/") is None
    True
    """
    text = url.strip(_CONTROL_OR_SPACE).translate(_DROPPED)
    found = _SCHEME.match(text)
    if found is None:
        return _relative(text, base)
    scheme = found[1].lower()
    rest = text[found.end() :]
    if scheme not in _SPECIAL:
        if rest.startswith("//"):
            return _authority(rest[2:], scheme)
        return None
    if scheme == "file":
        return _file(rest)
    if base is not None and scheme_of(base) == scheme and not re.match(r"[/\\]{2}", rest):
        return parse_failure(base)
    return _authority(rest.lstrip("/\\"), scheme)


def _relative(text: str, base: str | None) -> str | None:
    if base is None:
        return "there is no scheme, and nothing that it could be relative to"
    problem = parse_failure(base)
    if problem is not None:
        return problem
    scheme = scheme_of(base) or ""
    after = base.strip(_CONTROL_OR_SPACE).translate(_DROPPED).split(":", 1)[1]
    if not after.startswith("/") and scheme not in _SPECIAL and not text.startswith("#"):
        return "the base is opaque, and nothing but a fragment can be relative to it"
    slashes = "/\\" if scheme in _SPECIAL else "/"
    if len(text) > 1 and text[0] in slashes and text[1] in slashes:
        if scheme == "file":
            return _file(text)
        return _authority(text.lstrip(slashes) if scheme in _SPECIAL else text[2:], scheme)
    return None


def _file(rest: str) -> str | None:
    if not re.match(r"[/\\]{2}", rest):
        return None
    host = re.split(r"[/\\?#]", rest[2:], maxsplit=1)[0]
    if not host or _DRIVE.fullmatch(host):
        return None
    return check_host(host)


def _authority(text: str, scheme: str) -> str | None:
    special = scheme in _SPECIAL
    end = re.search(r"[/\\?#]" if special else r"[/?#]", text)
    authority = text[: end.start()] if end else text
    _, at, host_port = authority.rpartition("@")
    if not host_port and at:
        return "there are credentials and no host"
    bracket = host_port.rfind("]")
    colon = host_port.find(":", bracket + 1) if bracket >= 0 and host_port.startswith("[") else host_port.find(":")
    host, port = (host_port, None) if colon < 0 else (host_port[:colon], host_port[colon + 1 :])
    if not host:
        if special:
            return "the host is empty"
        return "there is a port and no host" if port is not None else None
    if port:
        if not (port.isascii() and port.isdigit()):
            return "the port is no number"
        if len(port.lstrip("0")) > 5 or int(port) > 65535:
            return "the port is above 65535"
    return check_host(host, special=special)
