"""Which of the known forms the input is in, and reading it as that."""

from __future__ import annotations

import re
from typing import Literal, get_args

import orjson

from halt400.errors import InputError
from halt400.exchanges.curl import read_curl
from halt400.exchanges.har import read_har
from halt400.exchanges.json_lines import read_json_lines
from halt400.exchanges.raw import looks_raw, read_raw
from halt400.exchanges.recorded import Recorded

__all__ = ["FORMATS", "InputFormat", "read_exchanges"]

InputFormat = Literal["auto", "har", "raw", "curl", "jsonl"]
FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)
"""What `read_exchanges` takes as `form`."""

_CURL = re.compile(rb"\s{0,64}(?:\$ )?(?:[\w./\\-]{0,200}[/\\])?curl(?:\.exe)?\s")
_MEND = "Name its form with --input: har, raw, curl or jsonl."


def read_exchanges(data: bytes, form: InputFormat = "auto") -> list[Recorded]:
    r"""Read recorded exchanges.

    Parameters
    ----------
    data
        The whole input.
    form
        Its form; ``auto`` looks at how it starts.

    Raises
    ------
    InputError
        In one line, when it cannot be read.

    Examples
    --------
    >>> [found.label for found in read_exchanges(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")]
    ['request']
    """
    if form == "raw":
        return [read_raw(data)]
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise InputError("The input is empty.", "Give a HAR, a raw request, a curl command or JSON lines.")
    start = data.lstrip()[:1]
    if form == "curl" or (form == "auto" and _CURL.match(data)):
        return [read_curl(data)]
    if form == "auto" and start not in (b"{", b"["):
        if looks_raw(data):
            return [read_raw(data)]
        raise InputError("The input is no HAR, raw request, curl command or JSON lines.", _MEND)
    if form == "jsonl":
        return read_json_lines(data)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if form == "har":
            raise InputError(f"The HAR is no JSON ({error}).", "Export it again from the browser.") from None
        return read_json_lines(data)
    if form == "har" or (isinstance(document, dict) and "log" in document and "url" not in document):
        if not isinstance(document, dict):
            raise InputError("The HAR is no JSON object.", "Export it again from the browser.")
        return read_har(document)
    return read_json_lines(data)
