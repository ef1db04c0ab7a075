"""Rows of incidents are written only while no other process can have the partition."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from streams.alerts.alert_writer import AlertTopics, AlertWriter
from streams.alerts.assigned_partition import AssignedPartition
from streams.alerts.in_flight import InFlight
from streams.transport import Membership
from tests.alerts.examples import command, incidents
from tests.processing.engine_bench import acknowledged


async def test_a_process_that_was_stopped_past_its_session_writes_no_row_before_the_group_confirms_it() -> None:
    """Its row may have the revision of a newer one of another process, and would replace it."""
    sent: list[bytes] = []

    async def send(_topic: str, key: bytes, *_: Any) -> Awaitable[None]:
        sent.append(key)
        return acknowledged()

    membership = Membership(6.0)
    writer = AlertWriter(AlertTopics("alerts", "alerts.dlq"), send, InFlight(), membership.wait)
    kept, revoked = (AssignedPartition(incidents(command("a")), 0) for _ in range(2))
    writing = [asyncio.create_task(writer.write_changed(partition)) for partition in (kept, revoked)]
    await asyncio.sleep(0)
    revoked.revoke()
    assert not sent
    membership.joined()
    await asyncio.gather(*writing)
    assert len(sent) == 1
