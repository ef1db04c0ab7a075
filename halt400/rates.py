"""Response rates of every target, from memory: a second or two behind the service, without a request to it.

The service writes one row per target to the compacted topic ``rates``; a `RateClient` follows it and sums any window of
any target. The HTTP API uses the same class.
"""

import re
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Literal

from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE
from halt400.start_stop import StartStop
from halt400.windows import (
    FINE_S,
    MINUTES_KEPT,
    Row,
    WindowCounts,
    decode_row,
    row_offset,
    window_counts,
    window_seconds,
)

__all__ = ["RateClient", "counts_at", "end_of_window_ms", "kept_from_ms"]

_ROWS_KEPT = 1024
_NEIGHBOURS = 500
_SIMILAR = 0.6


class RateClient(StartStop):
    """Follows the rates of all targets.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    at_start
        ``"wait"``: starting returns at once, and the client waits for broker and topic in the background.
        ``"raise"``: starting raises if it cannot connect.
    stale_after_s
        Seconds without an answer of the broker after which `healthy` is false.
    on_changes
        Called with the names of targets whose counts have changed; it must not block.
    clock_ms
        The current time, in milliseconds since the Unix epoch.

    Examples
    --------
    >>> async def slow_down(kafka: str) -> bool:
    ...     async with RateClient(kafka) as rates:
    ...         await rates.wait_caught_up()
    ...         ratio = rates.rates("api.shop.example", "5m").bad_request_ratio
    ...         return ratio is not None and ratio > 0.01
    """

    def __init__(
        self,
        kafka: str | KafkaConnection,
        *,
        at_start: Literal["wait", "raise"] = "wait",
        stale_after_s: float = 10.0,
        on_changes: Callable[[list[str]], None] | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        connection = KafkaConnection.of(kafka)
        self.follower = Follower(
            connection,
            connection.topic("rates"),
            newer=_includes_more,
            on_changes=self._on_changes,
            at_start=at_start,
            stale_after_s=stale_after_s,
        )
        self._clock_ms, self._report = clock_ms, on_changes
        self._rows: OrderedDict[str, tuple[bytes, Row]] = OrderedDict()
        self._names: list[str] | None = None
        self._keys: set[bytes] = set()

    async def start(self) -> None:
        """Begin to follow; see `at_start` for what is raised."""
        await self.follower.start()

    async def stop(self) -> None:
        """Stop following; the rates read so far stay."""
        await self.follower.stop()

    @property
    def healthy(self) -> bool:
        """Whether the rates are at most `stale_after_s` behind the topic."""
        return self.follower.healthy

    async def wait_caught_up(self) -> None:
        """Wait until everything that is in the topic now has been read."""
        await self.follower.wait_caught_up()

    def rates(self, target: str, window: str = "5m", at_ms: int | None = None) -> WindowCounts:
        """Count the responses of `target` in a window that ends at `at_ms`; default: now.

        An unknown target has counts of 0 and no ratio.

        Parameters
        ----------
        window
            One of ``1m``, ``5m``, ``15m``, ``1h``, ``6h``, ``24h``.
        at_ms
            End of the window, milliseconds since the Unix epoch; rounded up to 5 s, or to a minute if the window
            starts more than 20 minutes ago. ``start`` and ``end`` of the result say what was counted.

        Raises
        ------
        ValueError
            The window is unknown, or starts before the counts that are kept of this target.
        InvalidRecord
            The target's row was written by a later release.
        """
        seconds = window_seconds(window)
        row = self.row(target)
        if row is None:
            row = Row()
        return counts_at(row, seconds, end_of_window_ms(row, self._clock_ms()) if at_ms is None else at_ms)

    def row(self, target: str) -> Row | None:
        """Return the row of one target, or ``None``; read only.

        Raises
        ------
        InvalidRecord
            The row was written by a later release, or cannot be decoded.
        """
        value = self.follower.values.get(target.encode())
        if value is None:
            self._rows.pop(target, None)
            return None
        kept = self._rows.get(target)
        if kept is not None and kept[0] is value:
            self._rows.move_to_end(target)
            return kept[1]
        row = decode_row(value)
        self._rows[target] = value, row
        self._rows.move_to_end(target)
        if len(self._rows) > _ROWS_KEPT:
            self._rows.popitem(last=False)
        return row

    def targets(self) -> list[str]:
        """Return all known targets, sorted."""
        return list(self._sorted())

    def near(self, target: str, limit: int = 5) -> list[str]:
        """Return known targets with a name similar to `target`, the most similar first; for a mistyped name.

        Labels that two names share at either end do not count: ``maps.example`` is not similar to ``shop.example``.
        """
        names, wanted = self._sorted(), target.lower()
        inside = [name for name in names if _has_labels(name.lower(), wanted)][:_NEIGHBOURS]
        place = bisect_left(names, target)
        around = names[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
        similar = {name: _similarity(wanted, name.lower()) for name in [*around, *inside]}
        close = [name for name, found in similar.items() if found >= _SIMILAR]
        return list(dict.fromkeys([*sorted(close, key=lambda name: -similar[name]), *inside]))[:limit]

    def _sorted(self) -> list[str]:
        if self._names is None:
            self._keys = set(self.follower.values)
            self._names = sorted(name for key in self._keys if (name := _name(key)) is not None)
        return self._names

    def _on_changes(self, changes: Changes) -> None:
        if self._names is not None and (not changes.keys() <= self._keys or None in changes.values()):
            self._names = None
        if self._report is not None:
            self._report([name for key in changes if (name := _name(key)) is not None])


def _similarity(wanted: str, name: str) -> float:
    """How similar two names are, 0 to 1; 0 where the labels that they do not share at their ends are not similar."""
    left, right = wanted.split("."), name.split(".")
    while left and right and left[-1] == right[-1]:
        del left[-1], right[-1]
    while left and right and left[0] == right[0]:
        del left[0], right[0]
    differing = SequenceMatcher(None, ".".join(left), ".".join(right))
    if differing.quick_ratio() < _SIMILAR or differing.ratio() < _SIMILAR:
        return 0.0
    return SequenceMatcher(None, wanted, name).ratio()


def _has_labels(name: str, wanted: str) -> bool:
    """Whether one of two names consists of whole labels of the other."""
    longer, shorter = (name, wanted) if len(name) >= len(wanted) else (wanted, name)
    return (
        bool(shorter)
        and shorter in longer
        and re.search(rf"(?<![\w-]){re.escape(shorter)}(?![\w-])", longer) is not None
    )


def end_of_window_ms(row: Row, now_ms: int) -> int:
    """Return the end of a window that ends now: now, or the end of the latest response's bucket if that is later."""
    return max(now_ms, (row.latest + 1) * FINE_S * 1000)


def kept_from_ms(row: Row) -> int:
    """Return from when on `row` has counts, milliseconds since the epoch; 0 if nothing has expired from it."""
    if not row.expired and not row.late:
        return 0
    return (row.latest * FINE_S // 60 - MINUTES_KEPT) * 60_000


def counts_at(row: Row, window_s: int, at_ms: int) -> WindowCounts:
    """Sum a window as `halt400.windows.window_counts` does, but refuse one whose start is no longer kept.

    Raises
    ------
    ValueError
        The window is unknown, or starts before the counts that are kept; the message says from when they are.
    """
    counts = window_counts(row, window_s, at_ms)
    kept_from = kept_from_ms(row)
    if counts.start < kept_from:
        raise ValueError(
            f"the window starts at {counts.start}, but counts of this target are kept from {kept_from} on only "
            "(a day before its latest response)"
        )
    return counts


def _includes_more(old: bytes, new: bytes) -> bool:
    """Whether the row `new` includes at least what `old` includes; bytes that are no row never replace one."""
    try:
        offset = row_offset(new)
    except UNDECODABLE:
        return False
    try:
        return offset >= row_offset(old)
    except UNDECODABLE:
        return True


def _name(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None
