"""An engine on a fake producer and a fake changelog, for tests without Kafka."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from faust.types import TP

from halt400.kafka.follower import Follower
from streams.fleet_cap.participant import CapParticipant
from streams.processing.assignment import Assignment, InputTopics
from streams.processing.engine import Engine
from streams.processing.output_sender import OutputSender, OutputTopics
from streams.settings import load_settings
from streams.topics import partition_of
from streams.transport import DurableTable, Membership, Records, Watermarks, install
from streams.worker.faust_app import new_app
from tests.processing.test_partition import make_context

__all__ = ["PARTITIONS", "EngineBench", "FakeTable", "acknowledged", "fold"]

PARTITIONS = 4
INPUTS = InputTopics("responses", "operations")
OUTPUTS = OutputTopics("control", "offences", "responses.dlq", "findings", "fleet")


class FakeTable(DurableTable):
    """Keeps the rows that are written; the test acknowledges them."""

    written: list[tuple[int, bytes]]
    acknowledgement: asyncio.Future[None]

    async def write(self, partition: int, rows: Iterable[tuple[bytes, bytes]]) -> list[Awaitable[Any]]:
        self.written += [(partition, key) for key, _ in rows]
        return [self.acknowledgement]


class EngineBench:
    """An engine with all that it is made of; `send` stands for the producer."""

    def __init__(
        self, send: Callable[..., Awaitable[Awaitable[None]]], membership: Membership | None = None, **context: Any
    ) -> None:
        app = new_app(load_settings(), "worker")
        self.watermarks: Watermarks = install(app)
        self.table = FakeTable(app, name="rates", changelog_name="rates", newer=lambda *_: True, partitions=PARTITIONS)
        self.table.written, self.table.acknowledgement = [], asyncio.get_running_loop().create_future()
        self.assignment = Assignment(INPUTS, make_context(**context), self.table, self.watermarks)
        self.assign()
        self.engine = Engine(
            self.assignment,
            OutputSender(OUTPUTS, send, self.assignment),
            CapParticipant("responses", PARTITIONS, partial(partition_of, partitions=PARTITIONS)),
            (Follower("127.0.0.1:1", "control"), Follower("127.0.0.1:1", "fleet")),
            membership=membership,
        )

    def assign(self) -> None:
        """Create every partition, as the end of a recovery does."""
        self.assignment.create_all(TP("responses", number) for number in range(PARTITIONS))


def acknowledged() -> asyncio.Future[None]:
    """What the producer returns of a record that the broker has."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def fold(start: int, end: int, *records: Any) -> Records:
    """A fold of the offsets [start, end)."""
    found = Records(records)
    found.start, found.end = start, end
    return found
