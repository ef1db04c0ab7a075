"""An input file as bytes: opened, unpacked where it is gzip, read whole or line by line within bounds."""

import gzip
import os
import stat
import sys
import time
import zlib
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase, BufferedReader, BytesIO, FileIO, UnsupportedOperation
from pathlib import Path
from types import TracebackType
from typing import Self

from halt400.errors import InputError
from halt400.exchanges.recorded import Unread

__all__ = ["LARGEST_DOCUMENT_BYTES", "LONGEST_LINE_BYTES", "STDIN", "InputFile"]

STDIN = "-"
LONGEST_LINE_BYTES = 8 * 1024 * 1024
LARGEST_DOCUMENT_BYTES = 1024 * 1024 * 1024
"""A document, such as a HAR, is read whole; one that is larger than this when unpacked is refused."""

_BUFFER_BYTES = 256 * 1024
_DAMAGE = (EOFError, zlib.error, OSError)
_PACKED = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


class InputFile:
    """One input file, open.

    Parameters
    ----------
    path
        The file; ``-`` is standard input.

    Attributes
    ----------
    label
        The file's name without directories and without ``.gz``; ``stdin`` for standard input.
    size_bytes
        Size on disk, None where it is not known (a pipe).
    modified_ms
        When the file was last written, milliseconds since the epoch; for a pipe when it was opened.
    byte_order_mark
        The UTF-8 byte order mark with which the file begins; it is not part of what is read.

    Raises
    ------
    InputError
        It cannot be opened, or is packed or encoded in a way that is not read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._raw = _open(path)
            status = os.fstat(self._raw.fileno()) if isinstance(self._raw, FileIO) else None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({_reason(error)}).", "Name a file that can be.") from error
        self.is_file = status is not None and stat.S_ISREG(status.st_mode)
        self.size_bytes = status.st_size if status is not None and self.is_file else None
        self.modified_ms = (status.st_mtime_ns if status is not None and self.is_file else time.time_ns()) // 1_000_000
        self.label = "stdin" if path == STDIN else Path(path).name.removesuffix(".gz") or path
        self.byte_order_mark = b""
        self._buffer = BufferedReader(self._raw, _BUFFER_BYTES)
        self._pending: deque[bytes] = deque()
        self._stream: BufferedIOBase | gzip.GzipFile = self._buffer
        try:
            self._look_at_the_beginning()
        except BaseException:
            self.close()
            raise

    def _look_at_the_beginning(self) -> None:
        try:
            start = self._buffer.peek(8)[:8]
            if start.startswith(b"\x1f\x8b"):
                unpacked = gzip.GzipFile(fileobj=self._buffer, mode="rb")
                self._stream, start = unpacked, unpacked.peek(8)[:8]
        except _DAMAGE as error:
            raise InputError(f"{self.path}: cannot be read ({_reason(error)}).", "Is the file whole?") from error
        for magic, name in _PACKED.items():
            if start.startswith(magic):
                raise InputError(f"{self.path}: is packed with {name}.", "Unpack it, or pack it with gzip.")
        if start.startswith(_UTF16):
            raise InputError(f"{self.path}: is UTF-16.", "Convert it: iconv -f UTF-16 -t UTF-8.")
        if start.startswith(_UTF8_MARK):
            self.byte_order_mark = self._stream.read(len(_UTF8_MARK))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._stream is not self._buffer:
            self._stream.close()
        self._buffer.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._raw.closed

    @property
    def consumed_bytes(self) -> int | None:
        """Bytes of the file on disk that were read so far; None for a pipe."""
        return self._raw.tell() if self.is_file and not self._raw.closed else None

    def look_ahead(self) -> bytes:
        """Read one more line, or the beginning of a very long one; `lines` and `read_all` will still return it.

        Returns
        -------
        bytes
            The line with its end; empty at the end of the file.

        Raises
        ------
        InputError
            The file is damaged here.
        """
        try:
            line = self._stream.readline(LONGEST_LINE_BYTES)
        except _DAMAGE as error:
            raise InputError(f"{self.path}: is damaged ({_reason(error)}).", "Fetch the file again.") from error
        if line:
            self._pending.append(line)
        return line

    def lines(self) -> Iterator[tuple[int, bytes | Unread]]:
        """Yield every line with its number, from 1, without its end; an `Unread` for one that is too long.

        Where the file is damaged, as a gzip cut short, the last item is an `Unread` that says so.
        """
        number = 0
        while True:
            number += 1
            try:
                line = self._readline()
                if not line:
                    return
                if len(line) >= LONGEST_LINE_BYTES and not line.endswith(b"\n"):
                    while line and not line.endswith(b"\n"):
                        line = self._readline()
                    what = f"longer than {LONGEST_LINE_BYTES} bytes"
                    yield number, Unread(self.path, f"line {number}", what)
                    continue
            except _DAMAGE as error:
                yield number, Unread(self.path, f"line {number}", f"the file is damaged from here ({_reason(error)})")
                return
            yield number, line.rstrip(b"\r\n")

    def read_all(self, limit_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytes:
        """Read all that is left.

        Raises
        ------
        InputError
            The file is damaged, or too large to be read whole.
        """
        parts = list(self._pending)
        self._pending.clear()
        left = limit_bytes - sum(map(len, parts))
        try:
            while left >= 0 and (part := self._stream.read(min(left + 1, 4 * 1024 * 1024))):
                parts.append(part)
                left -= len(part)
        except _DAMAGE as error:
            raise InputError(f"{self.path}: is damaged ({_reason(error)}).", "Fetch the file again.") from error
        if left < 0:
            raise InputError(f"{self.path}: is larger than {limit_bytes} bytes.", "Split it.")
        return b"".join(parts)

    def _readline(self) -> bytes:
        return self._pending.popleft() if self._pending else self._stream.readline(LONGEST_LINE_BYTES)


def _open(path: str) -> FileIO | BytesIO:
    if path != STDIN:
        return FileIO(path, "rb")
    try:
        descriptor = sys.stdin.fileno()
    except UnsupportedOperation:  # standard input was replaced by an object in memory
        return BytesIO(sys.stdin.buffer.read())
    # Not sys.stdin.buffer: a thread that waits in it would end the interpreter with a fatal error.
    return FileIO(descriptor, "rb", closefd=False)


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
