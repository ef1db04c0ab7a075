"""A circuit breaker of this process: requests of one signature are stopped after a run of 400s, without Kafka.

The gate refuses what the worker has quarantined. While Kafka is away, or before a command has come, nobody refuses:
this breaker stops the same broken request from being sent again and again. It never replaces the gate's knowledge: any
command for the target clears it. Pure: time comes in as a value.
"""

from collections import OrderedDict
from typing import NamedTuple

__all__ = ["LocalBreaker", "LocalHold"]

MOST_SIGNATURES = 1_000
"""Signatures followed at once; the one that was longest without a response is forgotten first."""


class LocalHold(NamedTuple):
    """Requests of one signature are not sent until `until_s`, for the last `bad_requests` of them got a 400."""

    target: str
    signature: str
    bad_requests: int
    until_s: float


class _Run:
    """The 400s in a row of one signature."""

    __slots__ = ("bad_requests", "hold_s", "probing", "until_s")

    def __init__(self) -> None:
        self.bad_requests = 0
        self.hold_s = 0.0
        self.until_s = 0.0
        self.probing = False


class LocalBreaker:
    """Count 400s in a row by signature, and say which requests are not to be sent.

    Closed, it lets everything through. After `after` 400s in a row of one signature it is open for that signature for
    `hold_s` seconds; then it is half-open: one request passes. A 400 opens it for twice as long, anything else
    closes it.

    Parameters
    ----------
    after
        400s in a row of one signature that open it, at least 1.
    hold_s
        Seconds that it stays open at first.
    longest_hold_s
        Seconds that it stays open at the most.

    Examples
    --------
    >>> breaker = LocalBreaker(after=2, hold_s=60)
    >>> breaker.record("api.shop.example", "5f2c", 400, 0) is None
    True
    >>> breaker.record("api.shop.example", "5f2c", 400, 1).until_s
    61
    >>> breaker.refuses("api.shop.example", "5f2c", 30).bad_requests
    2
    >>> breaker.refuses("api.shop.example", "0000", 30) is None, breaker.refuses("api.shop.example", "5f2c", 61) is None
    (True, True)
    """

    def __init__(self, *, after: int = 5, hold_s: float = 60.0, longest_hold_s: float = 900.0) -> None:
        if after < 1 or hold_s <= 0 or longest_hold_s < hold_s:
            raise ValueError(
                f"after={after}, hold_s={hold_s}, longest_hold_s={longest_hold_s}: "
                "at least 1; above 0; no less than hold_s."
            )
        self._after, self._hold_s, self._longest_hold_s = after, hold_s, longest_hold_s
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._targets: dict[str, int] = {}

    @property
    def follows_any(self) -> bool:
        """Whether some target is followed."""
        return bool(self._targets)

    def follows(self, target: str) -> bool:
        """Whether a signature of the target had a 400 last; only then a request's signature need be computed."""
        return target in self._targets

    def refuses(self, target: str, signature: str, now_s: float) -> LocalHold | None:
        """Ask for one request, right before it is sent: why it is not to be sent, or None.

        The first request after the hold passes, and the others wait for its response (or for another hold).
        """
        run = self._runs.get((target, signature))
        if run is None or run.bad_requests < self._after:
            return None
        if now_s >= run.until_s:
            run.probing, run.until_s = True, now_s + run.hold_s
            return None
        return LocalHold(target, signature, run.bad_requests, run.until_s)

    def record(self, target: str, signature: str, status: int, now_s: float) -> LocalHold | None:
        """Take in a response; return the hold where it opened the breaker."""
        key = target, signature
        if status != 400:
            if key in self._runs:
                self._forget(key)
            return None
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= MOST_SIGNATURES:
                self._forget(next(iter(self._runs)))
            run = self._runs[key] = _Run()
            self._targets[target] = self._targets.get(target, 0) + 1
        self._runs.move_to_end(key)
        run.bad_requests += 1
        if run.bad_requests == self._after or run.probing:
            run.hold_s = min(run.hold_s * 2 or self._hold_s, self._longest_hold_s)
            run.until_s, run.probing = now_s + run.hold_s, False
            return LocalHold(target, signature, run.bad_requests, run.until_s)
        return None

    def clear(self, target: str) -> None:
        """Forget what is known of a target: the gate has a command for it, which is worth more."""
        if target in self._targets:
            for key in [key for key in self._runs if key[0] == target]:
                self._forget(key)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._runs[key]
        left = self._targets[key[0]] - 1
        if left:
            self._targets[key[0]] = left
        else:
            del self._targets[key[0]]
