"""The input of `halt400 diagnose`: HAR and JSON lines, and also a raw request, a curl command or a JSON document.

Pure.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

import orjson

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import json_lines
from halt400.exchanges.collections import is_collection, read_collection
from halt400.exchanges.curl import read_curl
from halt400.exchanges.fetch import looks_like_fetch, read_fetch
from halt400.exchanges.har import is_har, read_har
from halt400.exchanges.insomnia_exports import is_insomnia_yaml, read_insomnia_yaml
from halt400.exchanges.raw import looks_raw, read_raw
from halt400.exchanges.recorded import RecordedExchange, Unread

__all__ = ["DIAGNOSIS_FORMS", "LARGEST_INPUT_BYTES", "DiagnosisForm", "read_for_diagnosis"]

DiagnosisForm = Literal["auto", "har", "raw", "curl", "fetch", "postman", "insomnia", "jsonl"]
DIAGNOSIS_FORMS: tuple[DiagnosisForm, ...] = get_args(DiagnosisForm)
"""What `read_for_diagnosis` takes as `form`."""

LARGEST_INPUT_BYTES = 512 << 20

_CURL = re.compile(rb"\s{0,64}(?:\$ )?(?:[\w./\\-]{0,200}[/\\])?curl(?:\.exe)?\s")
_MEND = "Name its form with --input: har, raw, curl, fetch, postman, insomnia or jsonl."


def read_for_diagnosis(data: bytes, form: DiagnosisForm = "auto") -> list[RecordedExchange]:
    r"""Read recorded or planned requests; the first that cannot be read is an error.

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
    >>> [found.where for found in read_for_diagnosis(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")]
    ['request']
    """
    if form == "raw":
        return [read_raw(data)]
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise InputError("The input is empty.", "Give a HAR, a raw request, a curl command or JSON lines.")
    if form == "curl" or (form == "auto" and _CURL.match(data)):
        return [read_curl(data)]
    if form == "fetch" or (form == "auto" and looks_like_fetch(data)):
        return read_fetch(data)
    if is_insomnia_yaml(data) if form == "auto" else form == "insomnia" and data.lstrip()[:1] != b"{":
        return _from_collection(read_insomnia_yaml(data))
    if form == "auto" and data.lstrip()[:1] not in (b"{", b"["):
        if looks_raw(data):
            return [read_raw(data)]
        raise InputError("The input is no HAR, raw request, curl command, call of fetch() or JSON lines.", _MEND)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if form == "har":
            raise InputError(f"The HAR is no JSON ({error}).", "Export it again from the browser.") from None
        if form in ("postman", "insomnia"):
            raise InputError(f"The export is no JSON ({error}).", "Export it again as JSON.") from None
        return _from_lines(data)
    if form in ("postman", "insomnia") or (form == "auto" and is_collection(document)):
        return _from_collection(document)
    if form == "har" or (form == "auto" and is_har(document)):
        return _from_har(document)
    return _from_document(document)


def _from_collection(document: Any) -> list[RecordedExchange]:
    if not is_collection(document):
        mend = "Export it as Collection v2.1, Insomnia v4 (JSON) or Insomnia v5 (YAML)."
        raise InputError("The input is no export of Postman or Insomnia.", mend)
    return read_collection(document)


def _from_har(document: Any) -> list[RecordedExchange]:
    found = []
    for record in read_har(document, "the input"):
        if isinstance(record, Unread):
            raise InputError(f"{record.where}: {record.what}.", record.mend)
        found.append(record)
    return found


def _from_document(document: Any) -> list[RecordedExchange]:
    """Read one JSON value that may stand on several lines: an exchange, or an array of them."""
    if not isinstance(document, list):
        return [_exchange(document, "line 1")]
    return [_exchange(item, f"item {number}") for number, item in enumerate(document, 1)]


def _exchange(fields: Any, where: str) -> RecordedExchange:
    try:
        return json_lines.exchange_of(fields, where)
    except InvalidRecord as error:
        raise InputError(f"{where}: {error.message}.", error.mend) from None


def _from_lines(data: bytes) -> list[RecordedExchange]:
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                found.append(json_lines.parse_line(line, number))
            except InvalidRecord as error:
                raise InputError(f"line {number}: {error.message}.", error.mend) from None
    return found
