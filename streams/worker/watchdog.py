"""The watchdog: it ends a worker that makes no progress although there is work and the broker answers.

Faust can stop silently: a recovery never ends, a stream waits for records that never come, a partition is never fetched
or its records are dropped. Such a worker keeps its partitions and sends heartbeats, so no other worker takes over.
"""

from collections.abc import Mapping

from faust.types import TP

from halt400.errors import Halt400Error
from streams.transport.progress import PartitionProgress

__all__ = ["StalledWorker", "Watchdog"]

PATIENCE_S = 60.0


class StalledWorker(Halt400Error):
    """The worker, or one of its partitions, made no progress although there was work."""

    code = "stalled_worker"


class Watchdog:
    """Decides whether a worker or one of its partitions is stalled, from observations and their times.

    Parameters
    ----------
    patience_s
        Seconds without progress, while the broker answers and there is work, after which the worker is stalled; 60
        unless given.
    """

    def __init__(self, patience_s: float | None = None) -> None:
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._stalled_since: float | None = None
        self._polls = -1
        self._offsets: dict[TP, tuple[int | None, int | None]] = {}
        self._since: dict[TP, float] = {}

    def check(
        self, now_s: float, *, broker_answers: bool, ready: bool, polls: int, partitions: Mapping[TP, PartitionProgress]
    ) -> None:
        """Compare one observation with the ones before.

        Parameters
        ----------
        now_s
            Monotonic time.
        polls
            Number of polls. While it does not rise, the agents' queues are full, and a partition without progress may
            wait for others: it counts as stalled only if all of them are.

        Raises
        ------
        StalledWorker
            There was no progress for longer than the patience: in all partitions, or in one without a reason to wait.
        """
        offsets = {tp: (progress.position, progress.applied) for tp, progress in partitions.items()}
        earlier, self._offsets = self._offsets, offsets
        reading, self._polls = polls != self._polls, polls
        working = not ready or any(progress.has_work for progress in partitions.values())
        if offsets != earlier or not working or not broker_answers:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now_s
        elif now_s - self._stalled_since > self._patience_s:
            raise self._stalled(f"({'reading' if ready else 'recovering'}; {_list(partitions)})")
        self._since = {
            tp: self._since.get(tp, now_s)
            for tp, progress in partitions.items()
            if broker_answers and ready and reading and progress.has_work and not progress.waits
            if offsets[tp] == earlier.get(tp)
        }
        stalled = {tp: partitions[tp] for tp, since in self._since.items() if now_s - since > self._patience_s}
        if stalled:
            raise self._stalled(f"({_list(stalled)})")

    def stalled_s(self, now_s: float) -> dict[TP, float]:
        """For how long each partition of the last observation has had work and made no progress; 0 while it moves."""
        return {tp: now_s - self._since.get(tp, now_s) for tp in self._offsets}

    def _stalled(self, where: str) -> StalledWorker:
        return StalledWorker(
            f"No progress for {self._patience_s:g} s although the broker answers {where}.",
            "The worker ends so that another takes over; nothing is lost.",
        )


def _list(partitions: Mapping[TP, PartitionProgress]) -> str:
    return (
        ", ".join(f"{tp.topic} partition {tp.partition}: {progress}" for tp, progress in sorted(partitions.items()))
        or "no partition"
    )
