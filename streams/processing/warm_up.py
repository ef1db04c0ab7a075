"""Warm-up: 400s are applied before the first real one, which then waits for nothing that is done once. Pure."""

from dataclasses import replace

import msgspec

from halt400.records import Request, Response, ResponseEvent
from streams.processing.context import ProcessingContext
from streams.processing.decoding import Record
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState

__all__ = ["warm_up"]

_TARGET = "warm-up.invalid"
_BODIES = ('{"id": 7,}', '{"query": "query q { product { name "}')
"""The second one loads the parser of GraphQL."""
_encode = msgspec.json.Encoder().encode


def warm_up(context: ProcessingContext, now_ms: int) -> Outcome:
    """Apply a success and 400s to a partition of its own, and encode what follows; nothing of it may be sent.

    The first diagnosis compiles its patterns, fills its caches and loads its tables.
    """
    partition = PartitionState("warm-up", 0, replace(context, partition_of=lambda _key: 0))
    events = [_event(0, _BODIES[0], 200, now_ms)]
    events += [_event(number, body, 400, now_ms) for number, body in enumerate(_BODIES, start=1)]
    records = [Record(number, now_ms, _TARGET.encode(), _encode(event)) for number, event in enumerate(events)]
    outcome = partition.apply(records, now_ms)
    for record in (*outcome.commands, *outcome.offences):
        _encode(record)
    partition.take_changed()
    return outcome


def _event(number: int, body: str, status: int, now_ms: int) -> ResponseEvent:
    headers = [("Host", _TARGET), ("Content-Type", "application/json")]
    return ResponseEvent(
        id=f"warm-up-{number}",
        time=now_ms,
        target=_TARGET,
        job_id="warm-up",
        request=Request(method="POST", url=f"https://{_TARGET}/v1/items?page=1", headers=headers, body=body),
        response=Response(status=status, headers=[("Server", "warm-up")], body='{"error": "Bad Request"}'),
    )
