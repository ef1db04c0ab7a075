"""The gate's part in a probe: claim the lease of a scope that is probing, and report what the one request got.

A command in state ``probing`` that the machine issued has no holder: a gate with a request to send claims it by an
operation. The command that follows names the claimant in `issued_by`; the gate of that name lets one request through.
"""

import asyncio
import logging

from halt400.errors import Halt400Error
from halt400.operations import OperationPublisher, operation_id
from halt400.records import Command, Operation

__all__ = ["MACHINE", "Prober"]

log = logging.getLogger(__name__)

MACHINE = "halt400.detect"
"""Who issues a probing command that nobody has claimed yet."""


class Prober:
    """Claims and reports for one gate; its methods but `stop` may be called from any thread.

    Parameters
    ----------
    name
        What the gate is called in `issued_by` when it holds a lease: no other has it.
    """

    def __init__(self, name: str, publisher: OperationPublisher, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self._publisher, self._loop = name, publisher, loop
        self._claimed: dict[str, str] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def holds(self, command: Command) -> bool:
        """Whether the lease of the probe is this gate's."""
        return command.issued_by == self.name

    def claim(self, command: Command) -> None:
        """Ask for the lease; once for each time that the scope begins to probe."""
        scope_id = command.scope.id
        if command.issued_by != MACHINE or self._claimed.get(scope_id) == command.command_id:
            return
        self._claimed[scope_id] = command.command_id
        self._begin(command, self._operation(command, "has a request to send"), again=True)

    def report(self, command: Command, status: int) -> None:
        """Say what the request got that `command` let through."""
        operation = self._operation(command, f"the probe got a {status}")
        operation.probe_status, operation.probe_id = status, command.command_id
        self._begin(command, operation, again=False)

    async def stop(self) -> None:
        """Give up what is being sent."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _operation(self, command: Command, reason: str) -> Operation:
        return Operation(
            operation_id=operation_id(),
            time=self._publisher.now_ms(),
            kind="probe_result",
            scope=command.scope,
            actor=self.name,
            reason=reason,
        )

    def _begin(self, command: Command, operation: Operation, *, again: bool) -> None:
        def begin() -> None:
            task = self._loop.create_task(self._send(command, operation, again=again))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(begin)

    async def _send(self, command: Command, operation: Operation, *, again: bool) -> None:
        try:
            await self._publisher.send(operation)
        except Halt400Error as error:
            log.warning("%s: %s", command.scope.id, error)
            if again:
                # The next request that is held back claims once more.
                self._claimed.pop(command.scope.id, None)
