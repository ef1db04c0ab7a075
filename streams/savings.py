"""Sums the requests that the gates did not send, by quarantine; each process that needs it follows `savings`."""

import logging
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Changes, Follower
from halt400.records import UNDECODABLE, Savings
from streams import metrics, topics
from streams.quarantine.not_sent import NotSent

__all__ = ["SavingsBook"]

log = logging.getLogger(__name__)

PRUNE_INTERVAL_MS = 3_600_000
MOST_REPORTS = 100_000
"""Counts kept, one for each gate and quarantine, about 1 kB each; beyond it the oldest quarter is forgotten."""

_decode = msgspec.json.Decoder(Savings).decode


class SavingsBook:
    """The latest count of every gate and quarantine.

    Parameters
    ----------
    clock_ms
        Milliseconds since the epoch; counts older than the topic's retention are dropped.

    Attributes
    ----------
    follower : Follower
        Started and stopped by the owner.
    """

    def __init__(self, kafka: KafkaConnection, *, clock_ms: Callable[[], int]) -> None:
        self.follower = Follower(kafka, kafka.topic(topics.SAVINGS), newer=_newer, on_changes=self._on_changes)
        self._clock_ms = clock_ms
        self._of: dict[tuple[str, int], dict[str, int]] = {}
        self._known: dict[bytes, Savings] = {}
        self._prune_at_ms = 0

    def not_sent(self, quarantines: Iterable[tuple[str, int]]) -> NotSent | None:
        """Sum the counts of these quarantines, (scope id, `opened_at`) each; None if no gate has counted a request."""
        requests, gates = 0, set[str]()
        for quarantine in quarantines:
            counts = self._of.get(quarantine, {})
            requests += sum(counts.values())
            gates.update(counts)
        return NotSent(requests=requests, gates=len(gates)) if requests else None

    def _on_changes(self, changes: Changes) -> None:
        for key, value in changes.items():
            old = self._drop(key)
            if value is None:
                continue
            try:
                savings = _decode(value)
            except UNDECODABLE as error:
                log.error("The record %r of %s cannot be decoded and is ignored: %s", key, self.follower.topic, error)
                continue
            if self.follower.caught_up:
                _measure(old, savings)
            self._known[key] = savings
            self._of.setdefault((savings.scope.id, savings.opened_at), {})[savings.gate] = savings.requests
        now_ms = self._clock_ms()
        if now_ms >= self._prune_at_ms:
            self._prune_at_ms = now_ms + PRUNE_INTERVAL_MS
            self._prune(now_ms - topics.SAVINGS_KEPT_MS)
        if len(self._known) > MOST_REPORTS:
            oldest = sorted(self._known, key=lambda key: self._known[key].time)[: MOST_REPORTS // 4]
            self._forget(oldest)
            log.warning("More than %s counts of saved requests: the oldest quarter is forgotten.", MOST_REPORTS)

    def _drop(self, key: bytes) -> Savings | None:
        """Forget the record of a key, and return it."""
        savings = self._known.pop(key, None)
        if savings is None:
            return None
        quarantine = savings.scope.id, savings.opened_at
        counts = self._of.get(quarantine, {})
        counts.pop(savings.gate, None)
        if not counts:
            self._of.pop(quarantine, None)
        return savings

    def _prune(self, before_ms: int) -> None:
        self._forget([key for key, savings in self._known.items() if savings.time < before_ms])

    def _forget(self, keys: list[bytes]) -> None:
        for key in keys:
            self._drop(key)
        self.follower.forget(keys)


def _measure(old: Savings | None, new: Savings) -> None:
    """Add what a report counts beyond the one before of the same gate and quarantine."""
    requests, request_bytes = (old.requests, old.request_bytes) if old is not None else (0, 0)
    metrics.REQUESTS_NOT_SENT.inc(max(0, new.requests - requests))
    metrics.REQUEST_BYTES_NOT_SENT.inc(max(0, new.request_bytes - request_bytes))


class _Count(Struct):
    requests: int


_decode_count = msgspec.json.Decoder(_Count).decode


def _newer(old: bytes, new: bytes) -> bool:
    """Whether `new` replaces `old`: counts only rise, so a lower one is a late repetition."""
    try:
        return _decode_count(new).requests >= _decode_count(old).requests
    except UNDECODABLE:
        return True
