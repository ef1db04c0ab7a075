"""Windowed response counts of one target: a ring of event-time buckets, and sums over any window of it.

The ring has two resolutions. Recent buckets are `FINE_S` seconds wide; when they are older than `FINE_KEPT_S`, they are
merged into minutes, which are kept for a day. So one ring gives every window of `WINDOWS_S` exactly, at any moment: the
end of a window is rounded up to the resolution of the ring at its start, and the result has the [start, end) that was
counted.

Pure: the ring moves by the times of the events, never by a clock, so a replay gives the same ring.
"""

from msgspec import Struct, msgpack

from halt400.errors import InvalidRecord
from halt400.records import WindowFigures

__all__ = [
    "BAD_REQUEST",
    "CLASSES",
    "CLASS_OF_STATUS",
    "FINE_KEPT_S",
    "FINE_S",
    "WINDOWS_S",
    "Row",
    "WindowCounts",
    "bucket_counts",
    "decode_row",
    "encode_row",
    "row_offset",
    "window_counts",
    "window_seconds",
]

FINE_S = 5
FINE_KEPT_S = 20 * 60
MINUTES_KEPT = 24 * 60

WINDOWS_S = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400}

CLASSES = ("other", "400", "401", "403", "404", "422", "429", "5xx")
"""The classes of statuses that are counted, by slot; slot 0 is every status without a slot of its own."""

OTHER, BAD_REQUEST = 0, 1
CLASS_OF_STATUS = bytes(
    CLASSES.index(str(status)) if str(status) in CLASSES else CLASSES.index("5xx") if 500 <= status <= 599 else OTHER
    for status in range(600)
)
"""Slot of each HTTP status, indexed by the status itself."""

_FINE_MS = FINE_S * 1000
_PER_MINUTE = 60 // FINE_S
_FINE_KEPT = FINE_KEPT_S // FINE_S
_SLOTS = len(CLASSES)
ROW_VERSION = 1


class Row(Struct, array_like=True, gc=False):
    """The state of one target, which is also the value on the changelog.

    Buckets are keyed by their start in units of `FINE_S` seconds since the epoch. A key below `fine_from` is a whole
    minute. `responses` counts every response; `classes` counts those with a slot of their own, keyed by
    ``bucket * len(CLASSES) + slot``.

    Attributes
    ----------
    offset
        Offset of the last source record that this row includes; replay skips records up to it.
    latest
        Latest bucket with a count.
    fine_from
        First bucket with the fine resolution; a multiple of a minute.
    expired
        Counts by slot of buckets that have left the ring, for the lifetime totals.
    late, late_bad_requests
        Events, and the 400s among them, that came after their bucket had left the ring; they are in no window.
    skewed
        Events whose time was after their Kafka timestamp, so that the timestamp was used.
    bad_request_seen
        Time of the latest 400, milliseconds since the epoch; 0 for none.
    detection
        Opaque state of detection for this target, empty where there is none.
    profile
        What good requests to this target look like, see `halt400.diagnosis.Profile`; empty before the first.
    """

    version: int = ROW_VERSION
    offset: int = -1
    latest: int = -1
    fine_from: int = 0
    responses: dict[int, int] = {}
    classes: dict[int, int] = {}
    expired: list[int] = []
    late: int = 0
    late_bad_requests: int = 0
    skewed: int = 0
    bad_request_seen: int = 0
    detection: bytes = b""
    profile: bytes = b""

    def count(self, time_ms: int, status: int) -> bool:
        """Count one response at its event time; false where it is late, because its bucket has left the ring.

        `status` is an HTTP status, 100-599.
        """
        bucket = time_ms // _FINE_MS
        if bucket > self.latest:
            if bucket // _PER_MINUTE != self.latest // _PER_MINUTE:
                self._advance(bucket)
            self.latest = bucket
        elif bucket < self.fine_from:
            bucket -= bucket % _PER_MINUTE
            if bucket < (self.latest // _PER_MINUTE - MINUTES_KEPT) * _PER_MINUTE:
                self.late += 1
                if CLASS_OF_STATUS[status] == BAD_REQUEST:
                    self.late_bad_requests += 1
                return False
        responses = self.responses
        responses[bucket] = responses.get(bucket, 0) + 1
        slot = CLASS_OF_STATUS[status]
        if slot:
            classes, key = self.classes, bucket * _SLOTS + slot
            classes[key] = classes.get(key, 0) + 1
        return True

    def _advance(self, latest: int) -> None:
        """Merge old fine buckets into minutes and drop those older than a day; at most once a minute."""
        minute = latest // _PER_MINUTE
        fine_from = minute * _PER_MINUTE - _FINE_KEPT
        kept_from = (minute - MINUTES_KEPT) * _PER_MINUTE
        responses, classes = self.responses, self.classes
        previous = self.fine_from
        for bucket in [found for found in responses if found < kept_from or previous <= found < fine_from]:
            count = responses.pop(bucket)
            if bucket < kept_from:
                self._expire(OTHER, count)
            else:
                start = bucket - bucket % _PER_MINUTE
                responses[start] = responses.get(start, 0) + count
        slotted, kept_key, previous_key = fine_from * _SLOTS, kept_from * _SLOTS, previous * _SLOTS
        for key in [found for found in classes if found < kept_key or previous_key <= found < slotted]:
            count, (bucket, slot) = classes.pop(key), divmod(key, _SLOTS)
            if bucket < kept_from:
                self._expire(slot, count)
                self._expire(OTHER, -count)
            else:
                start = (bucket - bucket % _PER_MINUTE) * _SLOTS + slot
                classes[start] = classes.get(start, 0) + count
        self.fine_from = max(fine_from, 0)

    def _expire(self, slot: int, count: int) -> None:
        if not self.expired:
            self.expired = [0] * _SLOTS
        self.expired[slot] += count

    def totals(self) -> dict[str, int]:
        """Lifetime counts: ``responses`` (late ones included) and one for each of `CLASSES` (late ones not)."""
        by_slot = list(self.expired) or [0] * _SLOTS
        for key, count in self.classes.items():
            by_slot[key % _SLOTS] += count
            by_slot[OTHER] -= count
        by_slot[OTHER] += sum(self.responses.values())
        return {"responses": sum(by_slot) + self.late, **dict(zip(CLASSES, by_slot, strict=True))}


class WindowCounts(Struct, kw_only=True, frozen=True):
    """The counts of one window [start, end), milliseconds since the epoch; `classes` by name, all of `CLASSES`."""

    window_s: int
    start: int
    end: int
    responses: int
    classes: dict[str, int]

    @property
    def bad_requests(self) -> int:
        """Number of 400s."""
        return self.classes["400"]

    @property
    def bad_request_ratio(self) -> float | None:
        """400s / responses, 0-1; None where nothing was seen."""
        return self.bad_requests / self.responses if self.responses else None

    def figures(self) -> WindowFigures:
        """The short form for a command."""
        return WindowFigures(
            window_s=self.window_s,
            start=self.start,
            end=self.end,
            responses=self.responses,
            bad_requests=self.bad_requests,
            bad_request_ratio=self.bad_request_ratio,
        )


def window_counts(row: Row, window_s: int, at_ms: int) -> WindowCounts:
    """Sum the window of `window_s` seconds that ends at `at_ms`.

    The end is rounded up to 5 s where the ring has the whole window at that resolution, else to a minute. ``start`` and
    ``end`` of the result say what was counted, always exactly `window_s` apart.

    Raises
    ------
    ValueError
        `window_s` is no positive multiple of 60, or longer than a day.
    """
    if window_s <= 0 or window_s % 60 or window_s > 60 * MINUTES_KEPT:
        raise ValueError(f"window of {window_s} s: a window is a multiple of 60 s and at most 86400 s")
    width = window_s // FINE_S
    end = -(-at_ms // _FINE_MS)
    if end - width < row.fine_from:
        end = -(-at_ms // 60_000) * _PER_MINUTE
    start = end - width
    total = sum(count for bucket, count in row.responses.items() if start <= bucket < end)
    by_slot = [0] * _SLOTS
    first, last = start * _SLOTS, end * _SLOTS
    for key, count in row.classes.items():
        if first <= key < last:
            by_slot[key % _SLOTS] += count
    by_slot[OTHER] = total - sum(by_slot)
    return WindowCounts(
        window_s=window_s,
        start=start * _FINE_MS,
        end=end * _FINE_MS,
        responses=total,
        classes=dict(zip(CLASSES, by_slot, strict=True)),
    )


def bucket_counts(row: Row, start_ms: int, step_s: int, steps: int) -> dict[str, list[int]]:
    """Count steps of `step_s` seconds, the first from `start_ms` on: ``responses``, and one list for each of `CLASSES`.

    Both are multiples of 5 s, and of a minute where the steps begin before the fine resolution; see `Row.fine_from`.
    """
    width, first = step_s // FINE_S, start_ms // _FINE_MS
    by_slot = [[0] * steps for _ in CLASSES]
    responses = [0] * steps
    for bucket, count in row.responses.items():
        if 0 <= (place := (bucket - first) // width) < steps:
            responses[place] += count
    for key, count in row.classes.items():
        bucket, slot = divmod(key, _SLOTS)
        if 0 <= (place := (bucket - first) // width) < steps:
            by_slot[slot][place] += count
    by_slot[OTHER] = [total - sum(counts) for total, *counts in zip(responses, *by_slot[1:], strict=True)]
    return {"responses": responses, **dict(zip(CLASSES, by_slot, strict=True))}


def window_seconds(name: str) -> int:
    """Length in seconds of a window by name: ``1m``, ``5m``, ``15m``, ``1h``, ``6h`` or ``24h``.

    Raises
    ------
    ValueError
        There is no such window.
    """
    try:
        return WINDOWS_S[name]
    except KeyError:
        raise ValueError(f"window {name!r}: choose one of {', '.join(WINDOWS_S)}") from None


class _RowHead(Struct, array_like=True, gc=False):
    version: int
    offset: int


_decode_head = msgpack.Decoder(_RowHead).decode
_encoder = msgpack.Encoder()
_decoder = msgpack.Decoder(Row)


def encode_row(row: Row) -> bytes:
    """Encode for the changelog: MessagePack, an array in the order of `Row`'s fields."""
    return _encoder.encode(row)


def decode_row(data: bytes) -> Row:
    """Decode a changelog value.

    Raises
    ------
    InvalidRecord
        The bytes are no row, or one of a later version.
    """
    try:
        row = _decoder.decode(data)
    except Exception as error:
        raise InvalidRecord(
            f"A row of the rates table cannot be decoded: {error}.", "Was the topic written to?"
        ) from error
    if row.version > ROW_VERSION:
        raise InvalidRecord(
            f"A row of the rates table has version {row.version}; this release reads up to {ROW_VERSION}.",
            "Upgrade every worker and API process.",
        )
    return row


def row_offset(data: bytes) -> int:
    """`Row.offset` of an encoded row, without decoding the rest."""
    return _decode_head(data).offset
