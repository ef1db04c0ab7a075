"""How fetched record batches stay bytes until the native extension counts their events."""

from collections.abc import Callable
from typing import Any

import aiokafka.codec
import aiokafka.consumer.fetcher
from aiokafka.record.memory_records import MemoryRecords

from streams.packed import find_native

__all__ = ["KeptRecords", "keep_batches"]

BEFORE_LENGTH = 8
BEFORE_BATCH = 12
BEFORE_CHECKED = 21
HEADER_BYTES = 61
"""The offset of a batch; then the length of what follows; all that its checksum leaves out; all of its header. The
last two are those of format version 2."""

_DECOMPRESS: dict[int, Callable[[bytes], bytes]] = {
    1: aiokafka.codec.gzip_decode,
    2: aiokafka.codec.snappy_decode,
    3: aiokafka.codec.lz4_decode,
    4: aiokafka.codec.zstd_decode,
}


class KeptRecords(MemoryRecords):  # type: ignore[misc]
    """aiokafka's parser of one partition's fetch, which lets its batches be had as bytes too."""

    native: Any = None

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data
        self._begin = self._end = 0

    def next_batch(self) -> Any:
        """As aiokafka does."""
        self._begin = self._end
        size = self._data[self._begin + BEFORE_LENGTH : self._begin + BEFORE_BATCH]
        self._end += BEFORE_BATCH + int.from_bytes(size, "big")
        return super().next_batch()

    def is_whole(self, batch: Any) -> bool:
        """Whether the checksum of the batch that `next_batch` has returned is right."""
        found = None
        if _is_read(batch):
            found = self.native.checksum(self._data, self._begin + BEFORE_CHECKED, self._end)
        return bool(batch.validate_crc() if found is None else found == batch.crc)

    def pack(self, batch: Any, start: int) -> Any:
        """The batch that `next_batch` has returned, from offset `start` on; None where the extension cannot read it."""
        if not _is_read(batch):
            return None
        begin, data, end = self._begin + HEADER_BYTES, self._data, self._end
        head = data[self._begin : begin]
        if batch.compression_type:
            data = bytes(_DECOMPRESS[batch.compression_type](data[begin:end]))
            begin, end = 0, len(data)
        try:
            return self.native.Batch(head, data, begin, end, start)
        except ValueError:
            return None


def _is_read(batch: Any) -> bool:
    """Whether a batch has format version 2; an earlier one's has no `magic`."""
    return getattr(batch, "magic", 0) == 2


def keep_batches() -> bool:
    """Let aiokafka's consumers keep the bytes of their fetches; False where the native extension is not built."""
    native = find_native()
    if native is None:
        return False
    KeptRecords.native = native
    aiokafka.consumer.fetcher.MemoryRecords = KeptRecords
    return True
