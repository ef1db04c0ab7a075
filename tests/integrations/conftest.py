"""A cluster's topics without a worker, a real server, and commands written as a worker writes them."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from halt400.records import Command, ResponseEvent, Scope
from tests.sdk import topics
from tests.sdk.commands import record
from tests.sdk.conftest import unused_port
from tests.sdk.strict_server import Server, serve

__all__ = ["JOB", "Halt400Topics", "unused_port"]

JOB = "extract-099"


class Halt400Topics:
    """The topics that a scraper touches, on the real broker; every topic has one partition."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers, self.prefix = servers, prefix

    @property
    def variables(self) -> dict[str, str]:
        """What configures a scraper."""
        return {"HALT400_KAFKA_BOOTSTRAP_SERVERS": self.servers, "HALT400_KAFKA_TOPIC_PREFIX": self.prefix}

    async def events(self) -> list[ResponseEvent]:
        values = await topics.read(self.servers, f"{self.prefix}responses")
        return [msgspec.json.decode(value, type=ResponseEvent) for value in values]

    async def command(
        self, target: str, state: str = "quarantined", *, job_id: str = JOB, sequence: int = 1
    ) -> Command:
        """Write a command on `control`."""
        issued = Command(
            command_id=f"c-{sequence}",
            scope=Scope(kind="job", target=target, job_id=job_id),
            sequence=sequence,
            state=state,  # type: ignore[arg-type]
            reason="HTTP 400.",
            issued_by="test",
            opened_at=0,
            issued_at=sequence,
            expires_at=4_000_000_000_000,
        )
        await topics.write(self.servers, f"{self.prefix}control", [record(issued)])
        return issued


@pytest.fixture
async def halt400_topics(kafka: str, prefix: str) -> Halt400Topics:
    await topics.create(kafka, f"{prefix}control", partitions=1)
    await topics.create(kafka, f"{prefix}savings", partitions=1)
    await topics.create(kafka, f"{prefix}responses", f"{prefix}operations", partitions=1, compacted=False)
    return Halt400Topics(kafka, prefix)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server
