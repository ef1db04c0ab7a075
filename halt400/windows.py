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
    "FINE_MS",
    "FINE_S",
    "WINDOWS_S",
    "Row",
    "WindowCounts",
    "bucket_counts",
    "decode_row",
    "encode_row",
    "row_offset",
    "unreadable_row",
    "window_counts",
    "window_seconds",
]

FINE_S = 5
FINE_KEPT_S = 20 * 60
MINUTES_KEPT = 24 * 60

WINDOWS_S = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400}

_SLOTTED = ("2xx", "400", "401", "403", "404", "422", "429", "5xx")
"""The classes of `Row.classes` by slot; slot 0 is not stored: it is what is in no other slot."""
_OUTSIDE = ("3xx", "other")
"""The classes of `Row.outside` by slot."""
CLASSES = ("2xx", "3xx", *_SLOTTED[1:], "other")
"""The classes of statuses that are counted; ``other`` is every status that none of the others has."""

SUCCESS, BAD_REQUEST = 0, 1
_SLOTS, _OUTSIDE_SLOTS = len(_SLOTTED), len(_OUTSIDE)
_IN_ORDER = tuple((*_SLOTTED, *_OUTSIDE).index(name) for name in CLASSES)


def _slot_of(status: int) -> int:
    names = (*_SLOTTED, *_OUTSIDE)
    name = next((name for name in (str(status), f"{status // 100}xx") if name in names), "other")
    return names.index(name)


CLASS_OF_STATUS = bytes(map(_slot_of, range(600)))
"""Slot of each HTTP status, indexed by the status itself: of `Row.classes`, and behind them of `Row.outside`."""

FINE_MS = FINE_S * 1000
_PER_MINUTE = 60 // FINE_S
_FINE_KEPT = FINE_KEPT_S // FINE_S
ROW_VERSION = 1


class Row(Struct, array_like=True, gc=False):
    """The state of one target, which is also the value on the changelog.

    Buckets are keyed by their start in units of `FINE_S` seconds since the epoch. A key below `fine_from` is a whole
    minute. `responses` counts every response; `classes` counts those with a slot of their own, keyed by
    ``bucket * 8 + slot``, and `outside` the rare ones, keyed by ``bucket * 2 + slot``. What is in neither is a 2xx.

    Earlier releases write rows without `outside` and `expired_outside`, and ignore them; `decode_row` reads such a row
    with all that it does not tell apart as ``other``.

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
    outside, expired_outside
        Counts of 3xx and of other statuses, as `classes` and `expired`.
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
    outside: dict[int, int] = {}
    expired_outside: list[int] = []

    def count(self, time_ms: int, status: int) -> bool:
        """Count one response at its event time; false where it is late, because its bucket has left the ring.

        `status` is an HTTP status, 100-599.
        """
        bucket = time_ms // FINE_MS
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
            if slot < _SLOTS:
                classes, key = self.classes, bucket * _SLOTS + slot
            else:
                classes, key = self.outside, bucket * _OUTSIDE_SLOTS + slot - _SLOTS
            classes[key] = classes.get(key, 0) + 1
        return True

    def _advance(self, latest: int) -> None:
        """Merge old fine buckets into minutes and drop those older than a day; at most once a minute."""
        minute = latest // _PER_MINUTE
        fine_from = minute * _PER_MINUTE - _FINE_KEPT
        kept_from = (minute - MINUTES_KEPT) * _PER_MINUTE
        responses, previous = self.responses, self.fine_from
        for bucket in [found for found in responses if found < kept_from or previous <= found < fine_from]:
            count = responses.pop(bucket)
            if bucket < kept_from:
                self._expire(SUCCESS, count)
            else:
                start = bucket - bucket % _PER_MINUTE
                responses[start] = responses.get(start, 0) + count
        for slot, count in _merge(self.classes, _SLOTS, kept_from, previous, fine_from):
            self._expire(slot, count)
            self._expire(SUCCESS, -count)
        for slot, count in _merge(self.outside, _OUTSIDE_SLOTS, kept_from, previous, fine_from):
            self._expire(_SLOTS + slot, count)
        self.fine_from = max(fine_from, 0)

    def _expire(self, slot: int, count: int) -> None:
        if slot < _SLOTS:
            if not self.expired:
                self.expired = [0] * _SLOTS
            self.expired[slot] += count
        else:
            if not self.expired_outside:
                self.expired_outside = [0] * _OUTSIDE_SLOTS
            self.expired_outside[slot - _SLOTS] += count

    def totals(self) -> dict[str, int]:
        """Lifetime counts: ``responses`` (late ones included) and one for each of `CLASSES` (late ones not)."""
        by_slot = [*(self.expired or [0] * _SLOTS), *(self.expired_outside or [0] * _OUTSIDE_SLOTS)]
        by_slot[SUCCESS] -= sum(by_slot[_SLOTS:])
        for key, count in self.classes.items():
            by_slot[key % _SLOTS] += count
            by_slot[SUCCESS] -= count
        for key, count in self.outside.items():
            by_slot[_SLOTS + key % _OUTSIDE_SLOTS] += count
            by_slot[SUCCESS] -= count
        by_slot[SUCCESS] += sum(self.responses.values())
        return {"responses": sum(by_slot) + self.late, **_by_name(by_slot)}


def _merge(counts: dict[int, int], slots: int, kept_from: int, previous: int, fine_from: int) -> list[tuple[int, int]]:
    """Merge the fine buckets before `fine_from` into minutes; returns slot and count of those before `kept_from`."""
    expired = []
    kept_key, previous_key, fine_key = kept_from * slots, previous * slots, fine_from * slots
    for key in [found for found in counts if found < kept_key or previous_key <= found < fine_key]:
        count, (bucket, slot) = counts.pop(key), divmod(key, slots)
        if bucket < kept_from:
            expired.append((slot, count))
        else:
            start = (bucket - bucket % _PER_MINUTE) * slots + slot
            counts[start] = counts.get(start, 0) + count
    return expired


def _by_name(by_slot: list[int]) -> dict[str, int]:
    return {name: by_slot[place] for name, place in zip(CLASSES, _IN_ORDER, strict=True)}


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
    end = -(-at_ms // FINE_MS)
    if end - width < row.fine_from:
        end = -(-at_ms // 60_000) * _PER_MINUTE
    start = end - width
    total = sum([count for bucket, count in row.responses.items() if start <= bucket < end])
    by_slot = [0] * (_SLOTS + _OUTSIDE_SLOTS)
    first, last = start * _SLOTS, end * _SLOTS
    for key, count in row.classes.items():
        if first <= key < last:
            by_slot[key % _SLOTS] += count
    first, last = start * _OUTSIDE_SLOTS, end * _OUTSIDE_SLOTS
    for key, count in row.outside.items():
        if first <= key < last:
            by_slot[_SLOTS + key % _OUTSIDE_SLOTS] += count
    by_slot[SUCCESS] = total - sum(by_slot)
    return WindowCounts(
        window_s=window_s,
        start=start * FINE_MS,
        end=end * FINE_MS,
        responses=total,
        classes=_by_name(by_slot),
    )


def bucket_counts(row: Row, start_ms: int, step_s: int, steps: int) -> dict[str, list[int]]:
    """Count steps of `step_s` seconds, the first from `start_ms` on: ``responses``, and one list for each of `CLASSES`.

    Both are multiples of 5 s, and of a minute where the steps begin before the fine resolution; see `Row.fine_from`.
    """
    width, first = step_s // FINE_S, start_ms // FINE_MS
    by_slot = [[0] * steps for _ in CLASSES]
    responses = [0] * steps
    for bucket, count in row.responses.items():
        if 0 <= (place := (bucket - first) // width) < steps:
            responses[place] += count
    for counts, slots, base in ((row.classes, _SLOTS, 0), (row.outside, _OUTSIDE_SLOTS, _SLOTS)):
        for key, count in counts.items():
            bucket, slot = divmod(key, slots)
            if 0 <= (place := (bucket - first) // width) < steps:
                by_slot[base + slot][place] += count
    by_slot[SUCCESS] = [total - sum(found) for total, *found in zip(responses, *by_slot[1:], strict=True)]
    return {"responses": responses, **{name: by_slot[at] for name, at in zip(CLASSES, _IN_ORDER, strict=True)}}


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
_FIELDS_BEFORE = 0x9D
"""First byte of a row of an earlier release: a MessagePack array of 13 fields."""
_decoder = msgpack.Decoder(Row)


def encode_row(row: Row) -> bytes:
    """Encode for the changelog: MessagePack, an array in the order of `Row`'s fields."""
    return _encoder.encode(row)


def unreadable_row(error: Exception) -> InvalidRecord:
    """The error that says how to go on where a row cannot be decoded."""
    return InvalidRecord(
        f"A row of the rates table cannot be decoded: {error}.",
        "Was the topic written to? Stop the workers, and run `halt400 rebuild`.",
    )


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
        raise unreadable_row(error) from error
    if row.version > ROW_VERSION:
        raise InvalidRecord(
            f"A row of the rates table has version {row.version}; this release reads up to {ROW_VERSION}.",
            "Upgrade every worker and API process.",
        )
    if data[0] == _FIELDS_BEFORE:
        _tell_apart(row)
    return row


def _tell_apart(row: Row) -> None:
    """Count as ``other`` what a row of an earlier release does not tell apart: 2xx, 3xx and other statuses."""
    slotted: dict[int, int] = {}
    for key, count in row.classes.items():
        slotted[key // _SLOTS] = slotted.get(key // _SLOTS, 0) + count
    for bucket, count in row.responses.items():
        rest = count - slotted.get(bucket, 0)
        if rest:
            row.outside[bucket * _OUTSIDE_SLOTS + 1] = rest
    if row.expired:
        row.expired_outside = [0, row.expired[SUCCESS]]


def row_offset(data: bytes) -> int:
    """`Row.offset` of an encoded row, without decoding the rest."""
    return _decode_head(data).offset
