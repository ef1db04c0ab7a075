"""Sends an operation, and waits for the command that a worker issues for it on `control`."""

import asyncio
import time

import msgspec

from halt400.kafka.follower import Follower
from halt400.operations import OperationPublisher, operation_id
from halt400.records import UNDECODABLE, Command, Operation
from streams import topics
from streams.operations.command_log import CommandLog
from streams.operations.request import RESULTS, OperationFailed, OperationRequest
from streams.quarantine.ids import command_id
from streams.quarantine.later import is_later_command
from streams.settings import KafkaSettings

__all__ = ["OperationSender", "send_operation"]

_decode = msgspec.json.Decoder(Command).decode


class OperationSender:
    """Sends operations over connections that its owner starts and stops.

    Parameters
    ----------
    control
        Follows `control`, and adds its records to `commands`.
    commands
        The commands that are known.
    """

    def __init__(self, control: Follower, commands: CommandLog, publisher: OperationPublisher) -> None:
        self._control, self._commands, self._publisher = control, commands, publisher

    async def send(self, request: OperationRequest, deadline_s: float, *, same_as: str | None = None) -> Command:
        """Send an operation, and return the command that it led to.

        Parameters
        ----------
        same_as
            Id of the operation, for one that may have been sent before: it takes effect once.

        Raises
        ------
        OperationFailed
            It has nothing to do, or no worker has carried it out in time.
        BrokerUnavailable
            The broker does not answer.
        """
        started, scope_id = time.monotonic(), request.scope.id
        await self._read_control(deadline_s)
        operation = Operation(
            operation_id=same_as or operation_id(),
            time=self._publisher.now_ms(),
            kind=request.kind,
            scope=request.scope,
            actor=request.actor,
            reason=request.reason,
            hold_s=request.hold_s,
        )
        expected = command_id(scope_id, RESULTS[request.kind], operation.operation_id)
        known = self._commands.get(expected)
        if known is not None:
            return known
        why_not = request.why_not(self._latest(scope_id))
        if why_not is not None:
            raise OperationFailed(
                f"{scope_id} {why_not}: there is nothing to {request.kind}.", "`halt400 quarantines` lists what is."
            )
        await self._publisher.send(operation)
        try:
            async with asyncio.timeout(max(0.1, deadline_s - (time.monotonic() - started))):
                await self._control.wait_until(lambda _: self._commands.get(expected) is not None)
        except TimeoutError:
            raise OperationFailed(
                f"The {request.kind} of {scope_id} was sent ({operation.operation_id}), and no worker has carried it "
                f"out in {deadline_s:g} s.",
                "Check that a worker runs. The operation stays on its topic; do not send it again.",
                sent=True,
            ) from None
        command = self._commands.get(expected)
        assert command is not None
        return command

    async def _read_control(self, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await self._control.wait_caught_up()
        except TimeoutError:
            raise OperationFailed(f"{self._control.topic} could not be read in {deadline_s:g} s.") from None

    def _latest(self, scope_id: str) -> Command | None:
        value = self._control.values.get(scope_id.encode())
        try:
            return None if value is None else _decode(value)
        except UNDECODABLE:
            return None


async def send_operation(kafka: KafkaSettings, request: OperationRequest, deadline_s: float) -> Command:
    """Connect, send one operation, and return the command that it led to; raises what `OperationSender.send` does."""
    commands = CommandLog()
    control = Follower(
        kafka.connection,
        kafka.topic(topics.CONTROL),
        newer=is_later_command,
        on_records=commands.add,
        at_start="raise",
    )
    async with control, OperationPublisher(kafka.connection, deadline_s=deadline_s) as publisher:
        return await OperationSender(control, commands, publisher).send(request, deadline_s)
