"""Logical requests: which 400s are trials, and which only repeat a request that was counted.

Retries of one request are one trial and a repeated event id is none: one retry counted per 400 would destroy the
detector's guarantee. Only 400s are remembered. Of other responses the first attempt counts and later ones do not
(`counts_as_trial`), which can only make the detector slower, never faster.

A request is identified by its job and its fingerprint: two jobs that send the same request made two.
"""

from hashlib import blake2b
from typing import Final, Literal

from msgspec import Struct

from halt400.records import Milliseconds

__all__ = ["BadRequestKind", "Classification", "RecentIds", "RequestMemory", "Retries", "counts_as_trial"]

BadRequestKind = Literal["trial", "retry", "repeated_event"]
_KEY_BYTES: Final = 8


class Retries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a 400 the retry of an earlier one.

    Attributes
    ----------
    window_s
        A fingerprint seen again within this time of its last attempt is the same request, whatever its attempt number.
        With an attempt number above 1 it is the same for as long as it is remembered.
    grace_s
        A retry this soon after the abort may have been under way: no retry loop yet.
    requests
        Failing requests remembered per target; the one longest unseen is forgotten first.
    event_ids
        Ids of 400s remembered per target.
    """

    window_s: int = 600
    grace_s: int = 2
    requests: int = 128
    event_ids: int = 256


def counts_as_trial(attempt: int) -> bool:
    """Whether a response that is no 400 adds one to the gap: the first attempt does, its retries do not.

    The loop over every event (`streams.processing.partition`) has this in line; a test ties the two.
    """
    return attempt <= 1


def _key(*parts: str) -> bytes:
    return blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


class _Seen(Struct, array_like=True):
    last_ms: int
    attempts: int = 1
    wasted: int = 0


class Classification(Struct, frozen=True):
    """How the statistics count a 400.

    Attributes
    ----------
    kind
        ``trial``: a logical request of its own. ``retry``: another attempt of one that was counted.
        ``repeated_event``: an event whose id was seen before.
    attempts
        How often the request ended in a 400, this one included.
    """

    kind: BadRequestKind
    attempts: int = 1


class RequestMemory(Struct, array_like=True):
    """The failing requests of one target, bounded: at most `Retries.requests` of about 25 bytes each.

    Where requests were forgotten, a 400 with an attempt number above 1 counts as a retry while one of them could be its
    first attempt; without attempt numbers it counts as a trial again.
    """

    seen: dict[bytes, _Seen] = {}
    event_ids: dict[bytes, None] = {}
    forgotten_ms: Milliseconds = 0

    def classify(
        self, event_id: str, job_id: str, fingerprint: str, attempt: int, time_ms: int, rules: Retries
    ) -> Classification:
        """Remember one 400 and return how it counts."""
        event = _key(event_id)
        if event in self.event_ids:
            return Classification("repeated_event")
        self.event_ids[event] = None
        if len(self.event_ids) > rules.event_ids:
            del self.event_ids[next(iter(self.event_ids))]
        key = _key(job_id, fingerprint)
        window_ms = rules.window_s * 1000
        known = self.seen.pop(key, None)
        if known is None:
            lost = attempt > 1 and self.forgotten_ms > 0 and time_ms - self.forgotten_ms <= window_ms
            known = _Seen(time_ms)
            classified = Classification("retry" if lost else "trial")
        elif attempt > 1 or abs(time_ms - known.last_ms) <= window_ms:
            known.last_ms = max(known.last_ms, time_ms)
            known.attempts += 1
            classified = Classification("retry", known.attempts)
        else:
            known = _Seen(time_ms)
            classified = Classification("trial")
        self.seen[key] = known
        if len(self.seen) > rules.requests:
            oldest = self.seen.pop(next(iter(self.seen)))
            self.forgotten_ms = max(self.forgotten_ms, oldest.last_ms)
        return classified

    def count_wasted(self, job_id: str, fingerprint: str) -> int:
        """Count one more attempt after the abort; returns how many there were."""
        known = self.seen[_key(job_id, fingerprint)]
        known.wasted += 1
        return known.wasted


class RecentIds:
    """The last event ids of a partition, for events that are no 400s: at least `capacity`, at most twice as many.

    The two sets are public for the loop over every event: it asks `are_new` for many at once, looks in both
    where one is not, and adds to `recent`; after it `rotate` forgets what is old.

    Examples
    --------
    >>> ids = RecentIds(2)
    >>> [ids.repeated(name) for name in "aab"]
    [False, True, False]
    """

    __slots__ = ("_capacity", "older", "recent")

    def __init__(self, capacity: int = 16_384) -> None:
        self._capacity = capacity
        self.recent: set[str] = set()
        self.older: set[str] = set()

    def are_new(self, ids: set[str], events: int) -> bool:
        """Whether so many events have `ids`, each one of its own, and none of them was seen before."""
        return len(ids) == events and ids.isdisjoint(self.recent) and ids.isdisjoint(self.older)

    def repeated(self, event_id: str) -> bool:
        """Remember an id; whether it was seen before."""
        if event_id in self.recent:
            return True
        self.recent.add(event_id)
        again = event_id in self.older
        self.rotate()
        return again

    def rotate(self) -> None:
        """Forget the older ids where there are enough recent ones."""
        if len(self.recent) >= self._capacity:
            self.older, self.recent = self.recent, set()
