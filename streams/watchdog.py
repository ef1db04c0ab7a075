"""Notice a worker that stands still although there is work and the broker answers.

Faust can stop without a word: a rebalance whose recovery never ends, a stream that waits for what never comes. Such a
worker keeps its partitions and its heartbeat, so nobody else takes over. It has to end.
"""

from collections.abc import Mapping

from halt400.errors import Halt400Error

__all__ = ["StalledWorker", "Watchdog"]


class StalledWorker(Halt400Error):
    """The worker stood still although there was work."""

    code = "stalled_worker"


class Watchdog:
    """Decides whether a worker stands still. Pure: it is told what is, and when.

    Parameters
    ----------
    patience_s
        Seconds without progress, while the broker answers and there is work, after which the worker is stalled.
    """

    def __init__(self, patience_s: float = 60.0) -> None:
        self._patience_s = patience_s
        self._standing_since: float | None = None
        self._positions: Mapping[int, int] = {}

    def check(
        self, now_s: float, *, broker_answers: bool, ready: bool, positions: Mapping[int, tuple[int, int]]
    ) -> None:
        """Take in one observation; `positions` is partition -> (offset fetched, log end), `now_s` is monotonic.

        Raises
        ------
        StalledWorker
            Nothing has moved for longer than the patience.
        """
        waiting = not ready or any(position < end for position, end in positions.values())
        fetched = {partition: position for partition, (position, _) in positions.items()}
        moved, self._positions = fetched != self._positions, fetched
        if moved or not waiting or not broker_answers:
            self._standing_since = None
            return
        if self._standing_since is None:
            self._standing_since = now_s
        elif now_s - self._standing_since > self._patience_s:
            raise StalledWorker(
                f"No progress for {self._patience_s:g} s although the broker answers"
                f" ({'reading' if ready else 'recovering'}; partition: (position, end) {dict(positions)}).",
                "The worker ends so that another one takes over; nothing is lost.",
            )
