"""The log lines about rebalances and recoveries: which partitions, how many rows, how many seconds."""

import logging
import time
from collections.abc import Callable, Iterable
from itertools import groupby

from faust.types import TP

from halt400.plural import plural

__all__ = ["RebalanceLog", "RecoveryLog", "list_partitions"]

log = logging.getLogger("halt400.worker")


def list_partitions(tps: Iterable[TP]) -> str:
    """Partitions as text: their number, and their ranges by topic.

    Examples
    --------
    >>> list_partitions([TP("halt400.responses", number) for number in (0, 1, 2, 5)])
    '4 partitions (halt400.responses 0-2, 5)'
    """
    tps = sorted(tps)
    by_topic = groupby(tps, key=lambda tp: tp.topic)
    topics = [f"{topic} {', '.join(_ranges([tp.partition for tp in found]))}" for topic, found in by_topic]
    count = plural(len(tps), "partition")
    return f"{count} ({'; '.join(topics)})" if topics else count


def _ranges(numbers: list[int]) -> list[str]:
    """Ascending numbers as ranges: each run of numbers is at a constant distance from its places in the list."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


class RebalanceLog:
    """Logs the rebalances of one consumer.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun_at = clock()
        self._assigned: set[TP] = set()

    def begin(self, revoked: Iterable[TP]) -> None:
        """Log that partitions are being revoked."""
        self._begun_at = self._clock()
        log.info("Rebalance begun: %s revoked.", list_partitions(revoked))

    def end(self, assigned: Iterable[TP]) -> None:
        """Log the new assignment, and how long the consumer was without one."""
        earlier, self._assigned = self._assigned, set(assigned)
        log.info(
            "Rebalance done in %.2f s: %s assigned, %s of them new.",
            self._clock() - self._begun_at,
            list_partitions(self._assigned),
            len(self._assigned - earlier),
        )


class RecoveryLog:
    """Logs the recoveries of the state that is kept on one topic.

    Parameters
    ----------
    topic
        Full name of the topic that the state is read from.
    clock
        Monotonic seconds.
    """

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic, self._clock = topic, clock
        self._begun_at: float | None = None
        self._partitions = 0

    def begin(self, partitions: int) -> None:
        """Log that the state of some assigned partitions is being recovered."""
        self._begun_at, self._partitions = self._clock(), partitions
        log.info("Recovery begun: %s of %s.", plural(partitions, "partition"), self._topic)

    @property
    def is_running(self) -> bool:
        """Whether a recovery has begun and is not done."""
        return self._begun_at is not None

    def end(self, rows: int) -> None:
        """Log that the state is recovered; does nothing where no recovery has begun."""
        begun_at, self._begun_at = self._begun_at, None
        if begun_at is not None:
            log.info(
                "Recovery done in %.2f s: %s on %s of %s.",
                self._clock() - begun_at,
                plural(rows, "row"),
                plural(self._partitions, "partition"),
                self._topic,
            )
