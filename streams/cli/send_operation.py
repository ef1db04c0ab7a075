"""Send an operation, and wait for the command that a worker issues for it on `control`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from halt400.errors import Halt400Error
from halt400.kafka.follower import Follower
from halt400.operations import OperationPublisher, operation_id
from halt400.records import Command, Operation, Scope
from streams import topics
from streams.quarantine.ids import command_id
from streams.settings import KafkaSettings

__all__ = ["OperationFailed", "OperationRequest", "parse_scope", "send_operation"]

_decode = msgspec.json.Decoder(Command).decode
_RESULTS = {"release": "released", "extend": "quarantined", "quarantine": "quarantined"}


class OperationFailed(Halt400Error):
    """An operation cannot take effect, or no command for it came in time."""

    code = "not_carried_out"


class OperationRequest(msgspec.Struct, kw_only=True, frozen=True):
    """An operation without its id and time."""

    kind: Literal["release", "extend", "quarantine"]
    scope: Scope
    actor: str
    reason: str
    hold_s: int | None = None


def parse_scope(text: str) -> Scope:
    """Return the scope with this id, such as ``job/api.shop.example/extract-099`` or ``target/api.shop.example``.

    Raises
    ------
    ValueError
        It is no id of a scope.
    """
    kind, _, rest = text.partition("/")
    target, _, name = rest.partition("/")
    if kind == "target" and target and not name:
        return Scope(kind="target", target=target)
    if kind == "job" and target and name:
        return Scope(kind="job", target=target, job_id=name)
    if kind == "request" and target and name:
        return Scope(kind="request", target=target, fingerprint=name)
    raise ValueError(f"{text!r}: write job/TARGET/JOB, target/TARGET or request/TARGET/FINGERPRINT")


async def send_operation(kafka: KafkaSettings, request: OperationRequest, deadline_s: float) -> Command:
    """Send an operation, and return the command that it led to.

    Raises
    ------
    OperationFailed
        The scope is not quarantined, or no worker has carried the operation out in time.
    BrokerUnavailable
        The broker does not answer.
    """
    scope_id = request.scope.id
    started = time.monotonic()

    def left_s() -> float:
        return max(0.1, deadline_s - (time.monotonic() - started))

    async with (
        Follower(kafka.connection, kafka.topic(topics.CONTROL), newer=_is_newer, at_start="raise") as control,
        OperationPublisher(kafka.connection, deadline_s=deadline_s) as publisher,
    ):
        try:
            async with asyncio.timeout(left_s()):
                await control.wait_caught_up()
        except TimeoutError:
            raise OperationFailed(f"{control.topic} could not be read in {deadline_s:g} s.", "Try again.") from None
        latest = control.values.get(scope_id.encode())
        if request.kind != "quarantine" and (latest is None or _decode(latest).state == "released"):
            state = "is released already" if latest is not None else "was never quarantined"
            raise OperationFailed(f"{scope_id} {state}: there is nothing to {request.kind}.", "`halt400 quarantines`.")
        operation = Operation(
            operation_id=operation_id(),
            time=publisher.now_ms(),
            kind=request.kind,
            scope=request.scope,
            actor=request.actor,
            reason=request.reason,
            hold_s=request.hold_s,
        )
        await publisher.send(operation)
        expected = command_id(scope_id, _RESULTS[request.kind], operation.operation_id)
        try:
            async with asyncio.timeout(left_s()):
                await control.wait_until(_has_command(scope_id.encode(), expected))
        except TimeoutError:
            raise OperationFailed(
                f"The {request.kind} of {scope_id} was sent ({operation.operation_id}), and no worker has carried it "
                f"out in {deadline_s:g} s.",
                "Check that a worker runs. The operation stays on its topic; do not send it again.",
            ) from None
        return _decode(control.values[scope_id.encode()])


def _has_command(key: bytes, expected: str) -> Callable[[Mapping[bytes, bytes]], bool]:
    def has_command(values: Mapping[bytes, bytes]) -> bool:
        value = values.get(key)
        return value is not None and _decode(value).command_id == expected

    return has_command


def _is_newer(found: bytes, candidate: bytes) -> bool:
    return _decode(candidate).sequence >= _decode(found).sequence
