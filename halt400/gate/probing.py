"""The gate's part in a probe: claims the lease of a probing scope, lets one request through, reports its status.

The lease of a ``probing`` command that the worker issued is free: a gate with a request to send claims it by an
operation. The next command names the gate that has it in `issued_by`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from halt400.errors import Halt400Error
from halt400.operations import OperationPublisher, operation_id
from halt400.records import Command, Operation

__all__ = ["MACHINE", "Probes"]

log = logging.getLogger(__name__)

MACHINE = "halt400.detect"
"""Issuer of a probing command whose lease is free."""


class Probes:
    """The probes of one gate; all but `start` and `stop` may be called from any thread.

    Parameters
    ----------
    name
        The gate's name, which no other gate has: `issued_by` of a command whose lease it has.
    may_probe
        The scraper's own decision whether this gate may send the probe; without claims and reports.

    Attributes
    ----------
    unreported : dict of str to Command
        Probes that were let through and have no status yet, by scope id; it stays the same object.
    """

    def __init__(
        self, name: str, operations: OperationPublisher, may_probe: Callable[[Command], bool] | None = None
    ) -> None:
        self.unreported: dict[str, Command] = {}
        self._name, self._operations, self._may_probe = name, operations, may_probe
        self._loop: asyncio.AbstractEventLoop | None = None
        self._let_through: dict[str, str] = {}
        self._claimed: dict[str, str] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Enable claims and reports, which are sent in the running event loop; not where nobody would believe them."""
        if self._may_probe is None and self._operations.may_send:
            self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Cancel claims and reports that are being sent."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def refusing(self, probing: Sequence[Command], *, take: bool) -> Command | None:
        """Return the first command whose lease this gate does not have; ``None``: the request may be sent as the probe.

        Parameters
        ----------
        take
            Whether the request is about to be sent: it uses up the lease, or claims it.
        """
        leased: list[Command] = []
        others: list[Command] = []
        for command in probing:
            (leased if self._has_lease(command) else others).append(command)
        if others:
            if take:
                for command in others:
                    self._claim(command)
            return others[0]
        if take:
            for command in leased:
                self._let_through[command.scope.id] = command.command_id
                if self._loop is not None:
                    self.unreported[command.scope.id] = command
        return None

    def report(self, target: str, job_id: str, status: int, fingerprint: str | None) -> None:
        """Report the status of a request if it was a probe."""
        for scope_id in (f"target/{target}", f"job/{target}/{job_id}", f"request/{target}/{fingerprint}"):
            command = self.unreported.pop(scope_id, None)
            if command is not None:
                operation = self._operation(command, f"the probe got a {status}")
                operation.probe_status, operation.probe_id = status, command.command_id
                self._begin(command, operation, is_claim=False)

    def _has_lease(self, command: Command) -> bool:
        if self._let_through.get(command.scope.id) == command.command_id:
            return False
        if self._may_probe is not None:
            return self._may_probe(command)
        return self._loop is not None and command.issued_by == self._name

    def _claim(self, command: Command) -> None:
        """Claim the lease, once per probing command."""
        scope_id = command.scope.id
        if self._loop is None or command.issued_by != MACHINE or self._claimed.get(scope_id) == command.command_id:
            return
        self._claimed[scope_id] = command.command_id
        self._begin(command, self._operation(command, "has a request to send"), is_claim=True)

    def _operation(self, command: Command, reason: str) -> Operation:
        return Operation(
            operation_id=operation_id(),
            time=self._operations.now_ms(),
            kind="probe_result",
            scope=command.scope,
            actor=self._name,
            reason=reason,
        )

    def _begin(self, command: Command, operation: Operation, *, is_claim: bool) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return

        def begin() -> None:
            task = loop.create_task(self._send(command, operation, is_claim=is_claim))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        loop.call_soon_threadsafe(begin)

    async def _send(self, command: Command, operation: Operation, *, is_claim: bool) -> None:
        try:
            await self._operations.send(operation)
        except Halt400Error as error:
            log.warning("%s: %s", command.scope.id, error)
            if is_claim:
                # The next request that is refused claims again.
                self._claimed.pop(command.scope.id, None)
