"""Limits of how often: a bucket per client, from which each request takes one token."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["RateLimit"]

MOST_CLIENTS = 10_000


class RateLimit:
    """Allows `per_s` requests a second of each client, and `burst` at once.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: Hashable, *, take: bool = True) -> float:
        """Return 0 where a request is allowed, and count it; else the seconds until one is.

        Parameters
        ----------
        take
            False: only ask, and count nothing.
        """
        now = self._clock()
        left, at = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed and take else left), now
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_s
