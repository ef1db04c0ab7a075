"""When a process of a worker that ended is started again, and when the worker gives up. Pure."""

from typing import NamedTuple

__all__ = ["GaveUp", "Restart", "Restarts"]

PAUSES_S = (0.0, 1.0, 4.0, 15.0)
"""Before the first, second, ... start after crashes in a row: the first is within the session, so that the process has
its partitions back. One that crashes once more ends the worker."""
STEADY_S = 60.0
"""A process that ran this long begins to count its crashes anew."""
COULD_NOT_START = 1
"""Exit code of a process that the settings, the topics or the broker keep from starting."""


class Restart(NamedTuple):
    """Start it again after a pause; `crash` is the number of crashes in a row."""

    pause_s: float
    crash: int


class GaveUp(NamedTuple):
    """End the worker; `could_not_start` says that the process had never run."""

    could_not_start: bool
    crashes: int


class Restarts:
    """Counts the crashes of one process."""

    def __init__(self) -> None:
        self._crashes = self._lives = 0

    def ended(self, code: int, lived_s: float) -> Restart | GaveUp:
        """Decide after an end that nobody asked for.

        Parameters
        ----------
        code
            Its exit code.
        lived_s
            Seconds from its start to its end.
        """
        self._lives += 1
        if self._lives == 1 and code == COULD_NOT_START:
            return GaveUp(True, 1)
        self._crashes = 1 if lived_s >= STEADY_S else self._crashes + 1
        if self._crashes > len(PAUSES_S):
            return GaveUp(False, self._crashes)
        return Restart(PAUSES_S[self._crashes - 1], self._crashes)
