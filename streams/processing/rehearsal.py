"""A 400 that is applied before the first real one, so that this one is not delayed by what is done once. Pure."""

from dataclasses import replace

import msgspec

from halt400.records import Request, Response, ResponseEvent
from streams.processing.context import ProcessingContext
from streams.processing.decoding import Record
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState

__all__ = ["rehearse"]

_TARGET = "rehearsal.invalid"
_encode = msgspec.json.Encoder().encode


def rehearse(context: ProcessingContext, now_ms: int) -> Outcome:
    """Apply a success and a 400 to a partition of its own, and encode what follows; nothing of it may be sent.

    The first diagnosis compiles its patterns, fills its caches and loads its tables.
    """
    partition = PartitionState("rehearsal", 0, replace(context, partition_of=lambda _key: 0))
    headers = [("Host", _TARGET), ("Content-Type", "application/json")]
    request = Request(method="POST", url=f"https://{_TARGET}/v1/items?page=1", headers=headers, body='{"id": 7,}')
    records = [
        Record(offset, now_ms, _TARGET.encode(), _encode(_event(offset, request, status, now_ms)))
        for offset, status in enumerate((200, 400))
    ]
    outcome = partition.apply(records, now_ms)
    for record in (*outcome.commands, *outcome.offences):
        _encode(record)
    partition.take_changed()
    return outcome


def _event(number: int, request: Request, status: int, now_ms: int) -> ResponseEvent:
    return ResponseEvent(
        id=f"rehearsal-{number}",
        time=now_ms,
        target=_TARGET,
        job_id="rehearsal",
        request=request,
        response=Response(status=status, headers=[("Server", "rehearsal")], body='{"error": "invalid JSON"}'),
    )
