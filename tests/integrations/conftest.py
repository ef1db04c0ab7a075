"""A cluster's topics without a worker, a real server, and commands written as a worker writes them."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from halt400.records import Command, ResponseEvent, Scope
from tests.broker import decoded
from tests.integrations.playwright_driver import close_browser
from tests.sdk import topics
from tests.sdk.commands import record
from tests.sdk.conftest import unused_port
from tests.sdk.strict_server import Server, serve

__all__ = ["JOB", "Halt400Topics", "JobTopics", "unused_port"]

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
        return decoded(values)

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


class SharedTopics(Halt400Topics):
    """The topics of all tests of this process that need but a job of their own: topics take time to make."""

    read_to = 0

    def for_job(self, job_id: str) -> "JobTopics":
        return JobTopics(self, job_id)


class JobTopics:
    """What one job does on the shared topics."""

    def __init__(self, shared: SharedTopics, job_id: str) -> None:
        self.shared, self.job_id = shared, job_id
        self._events: list[ResponseEvent] = []

    async def events(self) -> list[ResponseEvent]:
        """Every event of the job so far."""
        shared = self.shared
        values = await topics.read(shared.servers, f"{shared.prefix}responses", shared.read_to)
        shared.read_to += len(values)
        events = decoded(values)
        self._events += [event for event in events if event.job_id == self.job_id]
        return self._events

    async def command(self, target: str) -> Command:
        """Quarantine the job on a target."""
        return await self.shared.command(target, job_id=self.job_id)


_shared: dict[str, SharedTopics] = {}


async def _create(kafka: str, prefix: str) -> None:
    await topics.create(kafka, f"{prefix}control", f"{prefix}savings", partitions=1)
    await topics.create(kafka, f"{prefix}responses", f"{prefix}operations", partitions=1, compacted=False)


@pytest.fixture
async def halt400_topics(kafka: str, prefix: str) -> Halt400Topics:
    await _create(kafka, prefix)
    return Halt400Topics(kafka, prefix)


@pytest.fixture
async def job(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> JobTopics:
    """A job of this test on the shared topics, which the environment names."""
    if kafka not in _shared:
        await _create(kafka, prefix)
        _shared[kafka] = SharedTopics(kafka, prefix)
    shared = _shared[kafka]
    for name, value in shared.variables.items():
        monkeypatch.setenv(name, value)
    return shared.for_job(f"extract-{secrets.token_hex(4)}")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def shared_browser() -> Iterator[None]:
    yield
    close_browser()
