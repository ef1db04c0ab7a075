"""Asking for something and waiting for what comes of it: an operation sent, and its command on `control`."""

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec

from halt400.errors import Halt400Error
from halt400.kafka.follower import Follower
from halt400.operations import OperationPublisher, operation_id
from halt400.records import Command, Operation, Scope
from streams import topics
from streams.quarantine.ids import command_id
from streams.settings import KafkaSettings

__all__ = ["NotCarriedOut", "Wanted", "ask", "read_scope"]

_decode = msgspec.json.Decoder(Command).decode
_RESULTS = {"release": "released", "extend": "quarantined", "quarantine": "quarantined"}


class NotCarriedOut(Halt400Error):
    """An operation had no effect, or none that was seen in time."""

    code = "not_carried_out"


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """What is asked for; `kind` is release, extend or quarantine."""

    kind: str
    scope: Scope
    actor: str
    reason: str
    hold_s: int | None = None


def read_scope(text: str) -> Scope:
    """The scope with this id, such as ``job/api.shop.example/extract-099`` or ``target/api.shop.example``.

    Raises
    ------
    ValueError
        It is no scope's id.
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


async def ask(kafka: KafkaSettings, wanted: Wanted, deadline_s: float) -> Command:
    """Send the operation, and return the command that it led to.

    Raises
    ------
    NotCarriedOut
        The scope does not stand in a way that lets it, or no worker has answered in time.
    BrokerUnavailable
        The broker does not answer.
    """
    scope_id = wanted.scope.id
    started = time.monotonic()

    def left_s() -> float:
        return max(0.1, deadline_s - (time.monotonic() - started))

    async with (
        Follower(kafka.connection, kafka.topic(topics.CONTROL), newer=_later, at_start="raise") as control,
        OperationPublisher(kafka.connection, deadline_s=deadline_s) as publisher,
    ):
        try:
            async with asyncio.timeout(left_s()):
                await control.wait_caught_up()
        except TimeoutError:
            raise NotCarriedOut(f"{control.topic} could not be read in {deadline_s:g} s.", "Try again.") from None
        standing = control.values.get(scope_id.encode())
        if wanted.kind != "quarantine" and (standing is None or _decode(standing).state == "released"):
            known = "is released already" if standing is not None else "was never held"
            raise NotCarriedOut(f"{scope_id} {known}: there is nothing to {wanted.kind}.", "`halt400 quarantines`.")
        operation = Operation(
            operation_id=operation_id(),
            time=publisher.now_ms(),
            kind=wanted.kind,  # type: ignore[arg-type]
            scope=wanted.scope,
            actor=wanted.actor,
            reason=wanted.reason,
            hold_s=wanted.hold_s,
        )
        await publisher.send(operation)
        expected = command_id(scope_id, _RESULTS[wanted.kind], operation.operation_id)
        try:
            async with asyncio.timeout(left_s()):
                await control.wait_until(_shows(scope_id.encode(), expected))
        except TimeoutError:
            raise NotCarriedOut(
                f"The {wanted.kind} of {scope_id} was sent ({operation.operation_id}), and no worker has carried it "
                f"out in {deadline_s:g} s.",
                "Look whether a worker runs: the operation waits for it on its topic and need not be sent again.",
            ) from None
        return _decode(control.values[scope_id.encode()])


def _shows(key: bytes, expected: str) -> Callable[[Mapping[bytes, bytes]], bool]:
    def shows(values: Mapping[bytes, bytes]) -> bool:
        value = values.get(key)
        return value is not None and _decode(value).command_id == expected

    return shows


def _later(found: bytes, candidate: bytes) -> bool:
    return _decode(candidate).sequence >= _decode(found).sequence
