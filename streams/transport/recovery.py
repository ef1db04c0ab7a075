"""The recovery that ends the worker where the broker does not answer one of its steps in time."""

from typing import Any

from faust import App
from faust.tables.recovery import Recovery, ServiceStopped

from halt400.errors import Halt400Error

__all__ = ["RecoveryTimedOut", "install_recovery"]


class RecoveryTimedOut(Halt400Error):
    """The broker did not answer a step of the recovery in time."""

    code = "recovery_timed_out"


class _DeadlineRecovery(Recovery):
    """Faust takes a step that timed out for the end of the worker: it recovers no more, and the worker reads nothing.

    Such a step is the seek to the committed offsets: a worker that went on from elsewhere would lose events.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        try:
            await super()._wait(coro, timeout=timeout)
        except ServiceStopped:
            if timeout is None or self.should_stop or self.app.should_stop:
                raise
            raise RecoveryTimedOut(
                f"Kafka did not answer a step of the recovery within {timeout:g} s.",
                "The worker ends, and recovers when it is started again; nothing is lost.",
            ) from None


def install_recovery(app: App) -> None:
    """Give the tables of `app` the recovery with deadlines; call it before the app starts."""
    tables: Any = app.tables
    tables._recovery = _DeadlineRecovery(app, tables, beacon=tables.beacon, loop=tables.loop)
