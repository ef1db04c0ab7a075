"""Whether this process is surely a member of its consumer group: as with a lease, by its own clock.

A process that stops for longer than its session (a suspended machine, SIGSTOP, a long pause) is expelled, and another
one has its partitions. When it goes on it does not know that until the coordinator's next answer, and its timers are
all due: what it then writes is stale and has the time of now. The coordinator expels a member one session timeout after
its last heartbeat came; that heartbeat was sent no earlier than its answer's request, so until that time and one
session no one else can have the partitions.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Membership"]

CHECK_S = 0.05
UNSURE_CHECK_S = 0.25


def seconds_since_boot() -> float:
    """Seconds that go on while the machine is suspended, too, where Linux's monotonic clock stands still."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def _never() -> bool:
    return False


class Membership:
    """The time until which this process is surely a member.

    Parameters
    ----------
    session_s
        The session timeout; 0 where membership is not watched, so that it is always sure.
    clock
        Seconds of a clock that is never set, and goes on while the process is stopped.

    Attributes
    ----------
    joins
        How often the coordinator has given this process partitions.
    """

    def __init__(self, session_s: float = 0.0, clock: Callable[[], float] = seconds_since_boot) -> None:
        self._session_s, self._clock = session_s, clock
        self._sure_until = float("inf") if not session_s else float("-inf")
        self._on_join: list[Callable[[], None]] = []
        self.joins = 0

    @property
    def is_sure(self) -> bool:
        """Whether no other process can have this one's partitions."""
        return self._clock() < self._sure_until

    async def wait(self, is_over: Callable[[], bool] = _never) -> bool:
        """Wait until it is sure; False as soon as `is_over`, such as where the partitions were revoked meanwhile."""
        while not self.is_sure:
            await asyncio.sleep(CHECK_S)
            if is_over():
                return False
        return True

    async def wait_unsure(self) -> None:
        """Wait until it is not sure; at once, also where the process was stopped meanwhile."""
        while (left := self._sure_until - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, UNSURE_CHECK_S))

    async def while_sure(self, work: Coroutine[Any, Any, object]) -> bool:
        """Do some work, and cancel it as soon as it is not sure; whether the work was done."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.wait_unsure())
        try:
            await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            working.cancel()
            ending.cancel()

    def on_join(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that the coordinator has given this process partitions."""
        self._on_join.append(callback)

    def confirm(self, asked_at: float) -> None:
        """Note that the coordinator has answered a heartbeat that was sent at `asked_at`."""
        self._sure_until = max(self._sure_until, asked_at + self._session_s)

    def joined(self) -> None:
        """Note that the coordinator has just given this process its partitions."""
        self.joins += 1
        for callback in self._on_join:
            callback()
        self.confirm(self._clock())

    def watch(self, coordinator: Any) -> None:
        """Confirm by each heartbeat of aiokafka's coordinator that was answered."""
        heartbeat = getattr(coordinator, "_do_heartbeat", None)
        if heartbeat is None:  # no group: partitions are assigned by hand
            return

        async def confirmed() -> bool:
            asked_at = self._clock()
            answered: bool = await heartbeat()
            if answered:
                self.confirm(asked_at)
            return answered

        coordinator._do_heartbeat = confirmed
