"""The report of a trip of the fleet's cap, where its partition moves while the broker has not taken the finding.

Without Kafka.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest
from faust.types import TP

from streams.fleet_cap.log import encode_fleet_record
from streams.fleet_cap.participant import CENSUS_TIMEOUT_MS, CapParticipant
from streams.processing.fleet_upkeep import FleetUpkeep
from streams.processing.output_sender import OutputSender
from streams.topics import partition_of
from streams.transport import StaleSend
from tests.fleet_cap.test_log import NOW, request
from tests.processing.engine_bench import OUTPUTS, PARTITIONS, EngineBench, acknowledged


@pytest.mark.parametrize("has_moved", [True, False])
async def test_a_finding_that_was_not_sent_is_left_to_the_next_owner_and_is_an_error_without_one(
    has_moved: bool,
) -> None:
    """The worker of which the partitions had moved ended (`make chaos-short`, seed 400)."""
    sent: list[str] = []

    async def send(topic: str, *_: Any) -> Awaitable[None]:
        sent.append(topic)
        if topic != "findings":
            return acknowledged()
        if has_moved:
            bench.assignment.drop({TP("responses", number) for number in range(PARTITIONS)})
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(StaleSend("1 record was not sent: the partitions have moved."))
        return failed

    bench = EngineBench(send)
    participant = CapParticipant("responses", PARTITIONS, partial(partition_of, partitions=PARTITIONS))
    upkeep = FleetUpkeep(participant, bench.assignment, OutputSender(OUTPUTS, send, bench.assignment))
    for number in range(6):
        participant.apply_record(number, NOW, encode_fleet_record(request(number)))
    await upkeep.run(NOW)
    assert "findings" not in sent
    if has_moved:
        await upkeep.run(NOW + CENSUS_TIMEOUT_MS)
    else:
        with pytest.raises(StaleSend):
            await upkeep.run(NOW + CENSUS_TIMEOUT_MS)
    assert sent[-1] == "findings"
