"""JSON lines: recorded exchanges, one object each, and our own response events; both may stand in one file."""

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from halt400.errors import InvalidRecord
from halt400.records import ResponseEvent
from streams.replay.exchange import Assembly

__all__ = ["parse_line"]

HeaderValue = str | int | float | None | list[str]
Headers = dict[str, HeaderValue] | list[tuple[str, str]] | None


class _Kind(Struct):
    """A response event has an object `response`, a recorded exchange has `status` beside `method` and `url`."""

    response: Raw = Raw(b"")


class _Exchange(Struct):
    method: str
    url: str
    status: int
    source: str | None = None
    file: str | None = None
    request_headers: Headers = None
    request_body: str | None = None
    response_headers: Headers = None
    response_body: str | None = None


_kind_of = msgspec.json.Decoder(_Kind).decode
_decode = msgspec.json.Decoder(_Exchange).decode


def parse_line(assembly: Assembly, number: int, line: bytes) -> ResponseEvent:
    """Read one line.

    The job of a recorded exchange is ``source/file``: one recorded test file is one job. Where the line names neither,
    the job is the input file.

    Raises
    ------
    InvalidRecord
        The line is neither.
    """
    try:
        if _kind_of(line).response:
            return assembly.own_event(number, line)
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRecord(f"no recorded exchange: {error}") from error
    # Recorders write the verb as their library names it ("get", :post); it went out in upper case.
    return assembly.event(
        number,
        line,
        job_id="/".join(part for part in (found.source, found.file) if part) or assembly.label,
        method=found.method.upper(),
        url=found.url,
        status=found.status,
        request_headers=_headers(found.request_headers),
        request_body=found.request_body,
        response_headers=_headers(found.response_headers),
        response_body=found.response_body,
    )


def _headers(found: Headers) -> Iterator[tuple[str, str]]:
    for name, value in found.items() if isinstance(found, dict) else found or ():
        for each in value if isinstance(value, list) else (value,):
            yield name, "" if each is None else str(each)
