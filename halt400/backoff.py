"""Pauses between attempts to reach a server that is away."""

import asyncio
import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Pauses that double from `first_s` to `longest_s`, each shortened by up to a half at random.

    Clients that lose one server together come back spread over time. The last error is remembered, so that an error
    that repeats is logged once.

    Parameters
    ----------
    longest_s, first_s
        Bounds of the pause, in seconds.
    jitter
        A random number, 0 to 1.
    """

    def __init__(self, longest_s: float, first_s: float = 0.1, jitter: Callable[[], float] = random.random) -> None:
        self._longest_s, self._first_s, self._jitter = longest_s, first_s, jitter
        self.reset()

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._next_s = self._first_s
        self._last_error = ""

    def is_news(self, error: BaseException) -> bool:
        """Whether `error` is another than the last one; ask once per error."""
        known, self._last_error = self._last_error, str(error)
        return self._last_error != known

    def next_s(self) -> float:
        """Return the next pause, in seconds."""
        pause_s = self._next_s * (0.5 + self._jitter() / 2)
        self._next_s = min(self._next_s * 2, self._longest_s)
        return pause_s

    async def pause(self) -> None:
        """Wait before the next attempt."""
        await asyncio.sleep(self.next_s())
