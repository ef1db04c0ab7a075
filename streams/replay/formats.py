"""Tell formats apart by content, and read a file of any of them."""

import re
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import msgspec
from msgspec import Raw, Struct

from halt400.errors import InputError, InvalidRecord
from halt400.records import ResponseEvent
from streams.replay import access_log, json_lines
from streams.replay.exchange import Assembly
from streams.replay.har import read_har
from streams.replay.recording import Recording, Unread

__all__ = ["FORMATS", "Format", "detect_format", "read_events"]

Format = Literal["jsonl", "har", "log"]
FORMATS: tuple[Format, ...] = get_args(Format)

_LINES_LOOKED_AT = 100
_BYTES_LOOKED_AT = 16 * 1024 * 1024
_ARRAY_START = re.compile(rb"\s*\[\s*\{")
_HAR_START = re.compile(rb'\s*\{\s*"log"\s*:\s*\{')


class _Document(Struct):
    log: Raw = Raw(b"")


_decode_document = msgspec.json.Decoder(_Document).decode

_PARSERS: dict[str, Callable[[Assembly, int, bytes], ResponseEvent]] = {
    "jsonl": json_lines.parse_line,
    "log": access_log.parse_line,
}


def detect_format(recording: Recording) -> Format:
    """Tell the format of a recording by its beginning; what was looked at will still be read.

    Raises
    ------
    InputError
        It is empty, or of none of the formats.
    """
    seen = b""
    for _ in range(_LINES_LOOKED_AT):
        chunk = recording.look_ahead()
        if not chunk or len(seen) > _BYTES_LOOKED_AT:
            break
        seen += chunk
        line = chunk.strip()
        if _HAR_START.match(seen):
            return "har"
        if line.startswith(b"{"):
            try:
                return "har" if _decode_document(line).log else "jsonl"
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
        if access_log.looks_like_access_log(line):
            return "log"
    if not seen.strip():
        raise InputError(f"{recording.path}: is empty.", "Name a file with exchanges in it.")
    if _ARRAY_START.match(seen):
        raise InputError(f"{recording.path}: is a JSON array.", "Write one object per line: jq -c '.[]'.")
    raise InputError(
        f"{recording.path}: is neither JSON lines, nor a HAR, nor an access log.",
        f"If it is one, name its format: --input {'|'.join(FORMATS)}.",
    )


def read_events(
    recording: Recording,
    input_format: Format | None = None,
    target: str | None = None,
    job_id: str | None = None,
) -> Iterator[ResponseEvent | Unread]:
    """Yield the events of a recording in its order, and an `Unread` for each piece that gives none.

    Parameters
    ----------
    recording
        The open file.
    input_format
        Its format; told by its content where absent.
    target, job_id
        Said of every event, whatever the file says.

    Raises
    ------
    InputError
        The file as a whole cannot be read.
    """
    found = input_format or detect_format(recording)
    assembly = Assembly(recording.label, recording.modified_ms, target and target.lower(), job_id)
    for item in read_har(recording, assembly) if found == "har" else _read_lines(recording, assembly, _PARSERS[found]):
        recording.untimed = assembly.untimed
        yield item


def _read_lines(
    recording: Recording, assembly: Assembly, parse: Callable[[Assembly, int, bytes], ResponseEvent]
) -> Iterator[ResponseEvent | Unread]:
    for number, line in recording.lines():
        if isinstance(line, Unread):
            yield line
        elif line.strip():
            try:
                yield parse(assembly, number, line)
            except InvalidRecord as error:
                yield Unread(recording.path, f"line {number}", str(error))
