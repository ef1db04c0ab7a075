"""The formats of files with recorded exchanges: one entry each in `FORMATS`; a file is recognized by its beginning.

A further format is a module that reads it and an entry here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import access_log, alb, caddy, envoy, har, json_lines, mitmproxy_flows, squid
from halt400.exchanges.input_file import InputFile
from halt400.exchanges.nginx import NginxLog
from halt400.exchanges.recorded import RecordedExchange, Unread

__all__ = [
    "FORMATS",
    "FORMAT_NAMES",
    "Format",
    "chosen_format",
    "detect_format",
    "read_exchanges",
    "server_log_format",
    "unrecognized",
]

_LINES_LOOKED_AT = 100
_SHOWN = 80
_BYTES_LOOKED_AT = 16 * 1024 * 1024
_ARRAY_START = re.compile(rb"\s*\[\s*\{")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How files of one format are recognized and read: line by line, or whole.

    Attributes
    ----------
    name
        As ``--input`` takes it.
    title
        As messages name it.
    looks_like
        Whether a line is of this format; for a format that is read whole, whether a file that begins like this is.
    parse_line
        ``parse_line(line, number)``: read one line without its end; raises `InvalidRecord`.
    read_document
        ``read_document(data, path)``: read a whole file; raises `InputError`.
    in_order
        Whether records stand in the order in which the responses came.
    """

    name: str
    title: str
    looks_like: Callable[[bytes], bool]
    parse_line: Callable[[bytes, int], RecordedExchange] | None = None
    read_document: Callable[[bytes, str], Iterator[RecordedExchange | Unread]] | None = None
    in_order: bool = True

    def read(self, file: InputFile) -> Iterator[RecordedExchange | Unread]:
        """Yield the file's records in its order.

        Raises
        ------
        InputError
            The file as a whole cannot be read.
        """
        if self.read_document is not None:
            return self.read_document(file.read_all(), file.path)
        if self.parse_line is not None:
            return _read_lines(file, self.parse_line)
        raise TypeError(f"format {self.name} has no reader")


FORMATS: Mapping[str, Format] = {
    found.name: found
    for found in (
        Format(
            name="har",
            title="a HAR",
            looks_like=har.looks_like_har,
            read_document=har.read_document,
            in_order=False,
        ),
        Format(
            name="mitmproxy",
            title="flows of mitmproxy",
            looks_like=mitmproxy_flows.looks_like_flows,
            read_document=mitmproxy_flows.read_document,
        ),
        Format(
            name="caddy",
            title="a Caddy log",
            looks_like=caddy.looks_like_caddy_log,
            parse_line=caddy.parse_line,
        ),
        Format(
            name="envoy",
            title="an Envoy log",
            looks_like=envoy.looks_like_envoy_log,
            parse_line=envoy.parse_line,
        ),
        Format(
            name="jsonl",
            title="JSON lines",
            looks_like=json_lines.looks_like_json_line,
            parse_line=json_lines.parse_line,
        ),
        Format(
            name="alb",
            title="an AWS load balancer's log",
            looks_like=alb.looks_like_alb_log,
            parse_line=alb.parse_line,
        ),
        Format(
            name="squid",
            title="a Squid log",
            looks_like=squid.looks_like_squid_log,
            parse_line=squid.parse_line,
        ),
        Format(
            name="combined",
            title="a common or combined access log",
            looks_like=access_log.looks_like_access_log,
            parse_line=access_log.parse_line,
        ),
    )
}
"""By name, in the order in which they are tried."""

_ALIASES = {"common": "combined", "log": "combined"}
_NGINX = "nginx"

FORMAT_NAMES = (*FORMATS, *_ALIASES, _NGINX)
"""What `chosen_format` takes."""


def chosen_format(name: str | None, log_format: str | None = None) -> Format | None:
    """The format that a person names; None where it is to be recognized.

    Parameters
    ----------
    name
        One of `FORMAT_NAMES`.
    log_format
        The ``log_format`` of an nginx, as it stands in nginx.conf; it goes with the name ``nginx``, or alone.

    Raises
    ------
    InputError
        There is no such format, or the two do not go together.

    Examples
    --------
    >>> chosen_format("common").name, chosen_format(None, "$request $status").name, chosen_format(None)
    ('combined', 'nginx', None)
    """
    if name is not None and name not in FORMAT_NAMES:
        raise InputError(f"There is no format {name!r}.", f"Known are {', '.join(FORMAT_NAMES)}.")
    if log_format is not None:
        if name not in (None, _NGINX):
            raise InputError(f"A log_format does not go with the format {name}.", "It is of nginx: leave out --input.")
        log = NginxLog(log_format)
        title = "a log of that log_format"
        return Format(name=_NGINX, title=title, looks_like=log.looks_like, parse_line=log.parse_line)
    if name == _NGINX:
        raise InputError(
            "The format nginx has no log_format.", "Copy it from nginx.conf: --log-format '$remote_addr …'."
        )
    return FORMATS[_ALIASES.get(name, name)] if name is not None else None


def detect_format(file: InputFile) -> Format:
    """Recognize the format of a file by its beginning, which will still be read.

    Raises
    ------
    InputError
        It is empty, or of none of the formats.
    """
    start = b""
    for _ in range(_LINES_LOOKED_AT):
        line = file.look_ahead()
        if not line or len(start) > _BYTES_LOOKED_AT:
            break
        start += line
        if not line.strip():
            continue
        for found in FORMATS.values():
            if found.looks_like(start if found.read_document is not None else line.strip()):
                return found
    if not start.strip():
        raise InputError(f"{file.path}: is empty.", "Name a file with exchanges in it.")
    if _ARRAY_START.match(start):
        raise InputError(f"{file.path}: is a JSON array.", "Write one object per line: jq -c '.[]'.")
    raise unrecognized(file.path, start)


def server_log_format(file: InputFile) -> Format | None:
    """Recognize a server's log, or flows, by the first line that is not blank; None where it is neither."""
    line = b""
    for _ in range(_LINES_LOOKED_AT):
        line = file.look_ahead()
        if line.strip() or not line:
            break
    logs = [known for name, known in FORMATS.items() if name not in ("har", "jsonl")]
    return next((known for known in logs if known.looks_like(line.strip())), None)


def unrecognized(path: str, start: bytes) -> InputError:
    """The error of a file of no known format, which shows its first line that is not blank."""
    lines = start.splitlines()
    number = next((number for number, line in enumerate(lines, start=1) if line.strip()), 1)
    found = lines[number - 1].strip().decode(errors="replace") if lines else ""
    shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"
    titles = ", nor ".join(known.title for known in FORMATS.values())
    return InputError(
        f"{path}: is neither {titles}; line {number} is {shown!r}.",
        f"If it is one, name its format: --input {'|'.join(FORMATS)}; of nginx copy it: --log-format '$remote_addr …'.",
    )


def read_exchanges(file: InputFile, name: str | None = None) -> Iterator[RecordedExchange | Unread]:
    """Yield the exchanges of a file in its order, and an `Unread` for each record that gives none.

    Parameters
    ----------
    file
        The open file.
    name
        Name of the format; recognized by the file's beginning where absent.

    Raises
    ------
    InputError
        The file as a whole cannot be read.
    """
    return (chosen_format(name) or detect_format(file)).read(file)


def _read_lines(
    file: InputFile, parse_line: Callable[[bytes, int], RecordedExchange]
) -> Iterator[RecordedExchange | Unread]:
    for number, line in file.lines():
        if isinstance(line, Unread):
            yield line
        elif line.strip():
            try:
                yield parse_line(line, number)
            except InvalidRecord as error:
                yield Unread(file.path, f"line {number}", error.message, mend=error.mend)
