"""A fold that keeps its record batches as bytes, and makes a record only where one is asked for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

from halt400.windows import CLASS_OF_STATUS

__all__ = ["PackedRecord", "PackedRecords", "find_native"]


INTERFACE = 1
"""Of the extension: one that was built in place from an earlier source has another number."""


def find_native() -> ModuleType | None:
    """The native extension, None where it is not built."""
    try:
        from streams.packed import _native
    except ImportError:
        return None
    if getattr(_native, "INTERFACE", 0) != INTERFACE:
        return None
    _native.set_classes(CLASS_OF_STATUS)
    return _native


@dataclass(slots=True)
class PackedRecord:
    """A record made from a batch; the attributes are those of aiokafka's."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class PackedRecords:
    """Records of one partition in the order of their offsets, as batches of the native extension.

    Attributes
    ----------
    parts
        The batches in their order; a list of records where the extension does not read a batch.
    """

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self._count = 0

    def __iadd__(self, part: Any) -> Self:
        """Add the records of one more batch."""
        if part:
            self.parts.append(part)
            self._count += len(part)
        return self

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        for part in self.parts:
            yield from records_of(part)

    def last(self) -> Any:
        """The last record."""
        part = self.parts[-1]
        return part[-1] if isinstance(part, list) else PackedRecord(*part.record(len(part) - 1))


def records_of(part: Any) -> list[Any]:
    """The records of one part."""
    return part if isinstance(part, list) else [PackedRecord(*part.record(place)) for place in range(len(part))]
