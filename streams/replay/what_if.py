"""What another rule would have done to the recent responses of one target, as they are on the topic `responses`."""

import time
from collections import deque
from typing import Annotated, Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Meta, Struct
from msgspec.structs import replace

from halt400.kafka.clients import broker_unavailable, close_consumer, load_partitions
from halt400.kafka.read_to_end import read_to_end
from halt400.records import UNDECODABLE, Cause, Milliseconds, ResponseEvent
from streams import topics
from streams.detection import Policies, Rule
from streams.processing.decoding import decode_counted, decode_event
from streams.processing.envelopes import event_values, is_envelope
from streams.replay.dry_run import DryRun, DryRunQuarantine
from streams.replay.policy_estimate import PolicyEstimate, live_policies
from streams.settings import Settings

__all__ = ["MOST_HOURS", "Changes", "WhatIf", "WhatIfQuarantine", "WhatIfRule", "what_if"]

MOST_HOURS = 72
"""As long as `responses` is kept."""
MOST_RECORDS = 300_000
"""Records of the partition that are read, the newest; those of other targets are only passed over."""
MOST_EVENTS, MOST_BYTES = 20_000, 64 << 20
"""The target's newest responses that are processed."""
MOST_QUARANTINES = 50
BAD_REQUEST = 400

Count = Annotated[int, Meta(ge=0)]


class Changes(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is changed of the rule in force; None stays as it is."""

    policy: Literal["strict", "evidence"] | None = None
    job_tier: Literal["ticket", "page"] | None = None
    hold_s: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    least_p0: Annotated[float, Meta(ge=1e-7, le=0.5)] | None = None

    def applied_to(self, rule: Rule) -> Rule:
        """The changed rule."""
        changed = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        found = replace(rule, **changed)
        return replace(found, hold_cap_s=max(found.hold_cap_s, found.hold_s))


class WhatIfQuarantine(Struct, kw_only=True):
    """A scope that would have been quarantined; `bad_requests` led to it or came in its time."""

    scope: str
    at: Milliseconds
    until: Milliseconds
    cause: Cause | None
    reason: str
    bad_requests: Count


class WhatIfRule(Struct, kw_only=True):
    """What one rule would have done; the first 50 of its quarantines."""

    rule: Rule
    estimate: PolicyEstimate
    quarantines: list[WhatIfQuarantine]


class WhatIf(Struct, kw_only=True):
    """The rule in force and the changed one, on the same responses.

    `since` is the time of the oldest response that was processed, null where there was none; `is_cut` says that older
    ones were left out, because there were more than are processed. What gates did not send is on no topic: after a
    halt there are fewer responses than there would have been without it.
    """

    target: str
    hours: Count
    since: Milliseconds | None
    responses: Count
    bad_requests: Count
    is_cut: bool
    in_force: WhatIfRule
    changed: WhatIfRule


async def what_if(settings: Settings, policies: Policies, target: str, changes: Changes, hours: int = 24) -> WhatIf:
    """Process the target's recent responses twice, as the worker does: by the rule in force, and by the changed one.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    """
    events, is_cut = await _recent_events(settings, target, hours)
    rule = policies.rule_for(target)
    return WhatIf(
        target=target,
        hours=hours,
        since=min((event.time for event in events), default=None),
        responses=len(events),
        bad_requests=sum(event.response.status == BAD_REQUEST for event in events),
        is_cut=is_cut,
        in_force=_process(settings, policies, rule, events),
        changed=_process(settings, policies, changes.applied_to(rule), events),
    )


def _process(settings: Settings, policies: Policies, rule: Rule, events: list[ResponseEvent]) -> WhatIfRule:
    run = DryRun(settings, live_policies(replace(policies, rules=(), default=rule)))
    found: list[DryRunQuarantine] = []
    for event in events:
        found += run.apply(event)
    return WhatIfRule(
        rule=rule,
        estimate=run.estimate(),
        quarantines=[
            WhatIfQuarantine(
                scope=one.command.scope.id,
                at=one.command.issued_at,
                until=one.command.expires_at,
                cause=None if one.command.diagnosis is None else one.command.diagnosis.cause,
                reason=one.command.reason,
                bad_requests=run.bad_requests_of(one.command),
            )
            for one in found[:MOST_QUARANTINES]
        ],
    )


async def _recent_events(settings: Settings, target: str, hours: int) -> tuple[list[ResponseEvent], bool]:
    """The target's newest responses, the oldest first, and whether there are more in this time."""
    kafka, key = settings.kafka, target.encode(errors="replace")
    place = TopicPartition(kafka.topic(topics.RESPONSES), topics.partition_of(key, kafka.partitions))
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False, client_id="halt400-what-if", **kafka.connection.client_options()
    )
    values: deque[bytes] = deque()
    size, is_cut = 0, False
    try:
        await consumer.start()
        await load_partitions(consumer, place.topic)
        consumer.assign([place])
        since_ms = time.time_ns() // 1_000_000 - hours * 3_600_000
        found = (await consumer.offsets_for_times({place: since_ms}))[place]
        end = (await consumer.end_offsets([place]))[place]
        first = end if found is None else found.offset
        is_cut = end - first > MOST_RECORDS
        async for record in read_to_end(consumer, {place: max(first, end - MOST_RECORDS)}):
            about = _values_about(target, key, record)
            values += about
            size += sum(map(len, about))
            while len(values) > MOST_EVENTS or size > MOST_BYTES:
                size -= len(values.popleft())
                is_cut = True
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.bootstrap_servers, error) from error
    finally:
        await close_consumer(consumer)
    return [event for value in values if (event := _decoded(value)) is not None], is_cut


def _values_about(target: str, key: bytes, record: Any) -> list[bytes]:
    """The values of a record's events that are about a target."""
    if is_envelope(record.value):
        return [value for value in event_values(record.value) if _is_about(target, value)]
    return event_values(record.value) if record.key == key else []


def _is_about(target: str, value: bytes) -> bool:
    try:
        return decode_counted(value).target == target
    except UNDECODABLE:
        return False


def _decoded(value: bytes) -> ResponseEvent | None:
    try:
        return decode_event(value)
    except UNDECODABLE:
        return None  # it is among the dead letters, and counts nowhere
