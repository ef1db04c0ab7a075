"""Notice a worker, or one partition of it, that stands still although there is work and the broker answers.

Faust can stop without a word: a rebalance whose recovery never ends, a stream that waits for what never comes, a
partition that is never fetched or whose records are dropped. Such a worker keeps its partitions and its heartbeat, so
nobody else takes over. It has to end.
"""

from collections.abc import Mapping

from faust.types import TP

from halt400.errors import Halt400Error
from streams.transport.progress import PartitionProgress

__all__ = ["StalledWorker", "Watchdog"]


class StalledWorker(Halt400Error):
    """The worker, or a partition of it, stood still although there was work."""

    code = "stalled_worker"


class Watchdog:
    """Decides whether a worker or a partition stands still. Pure: it is told what is, and when.

    Parameters
    ----------
    patience_s
        Seconds without progress, while the broker answers and there is work, after which the worker is stalled.
    """

    def __init__(self, patience_s: float = 60.0) -> None:
        self._patience_s = patience_s
        self._standing_since: float | None = None
        self._polls = -1
        self._progress: dict[TP, tuple[int | None, int | None]] = {}
        self._since: dict[TP, float] = {}

    def check(
        self, now_s: float, *, broker_answers: bool, ready: bool, polls: int, partitions: Mapping[TP, PartitionProgress]
    ) -> None:
        """Take in one observation.

        Parameters
        ----------
        now_s
            Monotonic time.
        polls
            How often reading was tried. Where that stands still the agents' queues are full, and a partition that does
            not move waits for those before it: it is stalled only if all of them are.

        Raises
        ------
        StalledWorker
            Nothing has moved for longer than the patience, or one partition has not while it had no reason to wait.
        """
        progress = {tp: (standing.position, standing.applied) for tp, standing in partitions.items()}
        earlier, self._progress = self._progress, progress
        reading, self._polls = polls != self._polls, polls
        working = not ready or any(standing.has_work for standing in partitions.values())
        if progress != earlier or not working or not broker_answers:
            self._standing_since = None
        elif self._standing_since is None:
            self._standing_since = now_s
        elif now_s - self._standing_since > self._patience_s:
            raise self._stalled(f"({'reading' if ready else 'recovering'}; {_list(partitions)})")
        self._since = {
            tp: self._since.get(tp, now_s)
            for tp, standing in partitions.items()
            if broker_answers and ready and reading and standing.has_work and not standing.waits
            if progress[tp] == earlier.get(tp)
        }
        stalled = {tp: partitions[tp] for tp, since in self._since.items() if now_s - since > self._patience_s}
        if stalled:
            raise self._stalled(f"({_list(stalled)})")

    def _stalled(self, where: str) -> StalledWorker:
        return StalledWorker(
            f"No progress for {self._patience_s:g} s although the broker answers {where}.",
            "The worker ends so that another one takes over; nothing is lost.",
        )


def _list(partitions: Mapping[TP, PartitionProgress]) -> str:
    return (
        ", ".join(f"{tp.topic} partition {tp.partition}: {standing}" for tp, standing in sorted(partitions.items()))
        or "no partition"
    )
