"""What the watchdog is told of a process every few seconds, and the metrics that say the same."""

import time
from collections.abc import Callable, Collection
from typing import cast

from faust.types import TP

from streams import metrics
from streams.transport import FoldingConsumer
from streams.worker.faust_app import Halt400App
from streams.worker.watchdog import Watchdog

__all__ = ["WATCH_INTERVAL_S", "ProgressWatch"]

WATCH_INTERVAL_S = 5.0


class ProgressWatch:
    """Watches the partitions of some topics; `look` ends a process that makes no progress although there is work.

    Parameters
    ----------
    process
        Its name in the metric: detect or follow-up.
    topics
        Full names of the topics that it reads.
    applied
        ``applied(tp)``: the offset up to which a partition was applied, None before its first fold.
    broker_answers
        Whether the broker answers another connection of this process.
    is_waiting
        ``is_waiting(tp)``: whether a partition waits for what is outside, such as an archive that is away.
    """

    def __init__(
        self,
        app: Halt400App,
        process: str,
        topics: Collection[str],
        *,
        applied: Callable[[TP], int | None],
        broker_answers: Callable[[], bool],
        is_waiting: Callable[[TP], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._process, self._topics, self._clock = app, process, topics, clock
        self._applied, self._broker_answers, self._is_waiting = applied, broker_answers, is_waiting
        self._watchdog = Watchdog()

    async def look(self) -> None:
        """Look once.

        Raises
        ------
        StalledWorker
            There was no progress for longer than the watchdog's patience.
        """
        consumer, now_s = cast(FoldingConsumer, self._app.consumer), self._clock()
        metrics.READY.labels(self._process).set(self._app.ready)
        found = consumer.progress(self._topics, self._applied)
        self._watchdog.check(
            now_s,
            broker_answers=self._broker_answers(),
            ready=self._app.ready,
            polls=consumer.polls,
            partitions={tp: progress for tp, progress in found.items() if not self._is_waiting(tp)},
        )
        metrics.PARTITION_STALLED_SECONDS.clear()
        for tp, stalled_s in self._watchdog.stalled_s(now_s).items():
            metrics.PARTITION_STALLED_SECONDS.labels(tp.topic, tp.partition).set(stalled_s)
