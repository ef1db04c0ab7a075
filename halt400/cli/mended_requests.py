"""What `halt400 diagnose --fix` prints: each request mended, as a command for the shell or as JSON. Nothing is sent."""

from __future__ import annotations

import sys

import msgspec
import orjson

from halt400.diagnosis import Contract
from halt400.diagnosis.excerpts import visible
from halt400.diagnosis.mending import Mended, mend
from halt400.errors import ArchiveError
from halt400.exchanges import RecordedExchange
from halt400.exchanges.resend import curl_command

__all__ = ["print_mended"]


def print_mended(exchanges: list[RecordedExchange], contract: Contract | None, *, as_json: bool) -> bool:
    """Print every request after its mend; whether something is wrong with one that could not be mended."""
    is_left = False
    for number, one in enumerate(exchanges):
        mended = mend(one.request, one.response, as_sent=one.as_sent, contract=contract)
        refused = one.response is not None and one.response.status == 400
        is_left = is_left or mended.left is not None or (refused and not mended.changes)
        text = _object(number, one, mended) if as_json else _text(one, mended)
        sys.stdout.write(text + "\n")
    return is_left


def _object(number: int, one: RecordedExchange, mended: Mended) -> str:
    return orjson.dumps(
        {
            "index": number,
            "exchange": one.where,
            "changes": mended.changes,
            "request": msgspec.to_builtins(mended.request),
            "left": msgspec.to_builtins(mended.left),
        }
    ).decode()


def _text(one: RecordedExchange, mended: Mended) -> str:
    lines = [f"# {one.where}: {_line(change)}" for change in mended.changes]
    if not mended.changes:
        lines.append(f"# {one.where}: nothing that can be mended without knowing the target")
    if mended.left is not None:
        lines.append(f"# left: {mended.left.cause}: {_line(mended.left.remedy)}")
    try:
        lines.append(curl_command(mended.request))
    except ArchiveError as error:
        lines.append(f"# {_line(error.message)} {error.mend}")
    return "\n".join(lines)


def _line(text: str) -> str:
    return visible(" ".join(text.split()))
