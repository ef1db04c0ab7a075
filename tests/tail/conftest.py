"""What the tests of `halt400 tail` share: topics on the real broker, lines of a log, and the command as a process."""

import asyncio
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from halt400.records import ResponseEvent
from tests.broker import decoded, read_to_end
from tests.cli.command import Outcome, environment, run_in, start
from tests.sdk import topics

PARTITIONS = 4


def line(number: int) -> str:
    """One line of an access log with a virtual host, unlike any other; every tenth is a 400."""
    status = 400 if number % 10 == 0 else 200
    return (
        f"shop{number % 7}.example:443 203.0.113.9 - - [28/Nov/2026:15:05:03 +0000] "
        f'"GET /items/{number} HTTP/1.1" {status} 226 "-" "curl/8.5.0"\n'
    )


def lines(first: int, end: int) -> str:
    return "".join(line(number) for number in range(first, end))


def paths(events: list[ResponseEvent]) -> list[int]:
    """The numbers of the lines that the events come from, sorted."""
    return sorted(int(event.request.url.rpartition("/")[2]) for event in events)


class Topic:
    """The topic `responses` of one test."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.name = f"{prefix}responses"

    async def create(self) -> None:
        await topics.create(self.kafka, self.name, partitions=PARTITIONS, compacted=False)

    async def events(self) -> list[ResponseEvent]:
        records = await read_to_end(self.kafka, self.name, PARTITIONS)
        return decoded(record.value for record in records)


class Command:
    """Runs of `halt400 tail` with one state."""

    def __init__(self, topic: Topic, directory: Path) -> None:
        self.state = directory / "state.json"
        self._variables = environment(
            HALT400_KAFKA_BOOTSTRAP_SERVERS=topic.kafka, HALT400_KAFKA_TOPIC_PREFIX=topic.prefix
        )

    async def start(self, *arguments: str | Path) -> asyncio.subprocess.Process:
        return await start(*self._call(arguments), variables=self._variables)

    async def run(self, *arguments: str | Path) -> Outcome:
        """Run it to its end."""
        return await run_in(self._variables, *self._call(arguments))

    def _call(self, arguments: Iterable[str | Path]) -> list[str]:
        return ["tail", *map(str, arguments), "--state", str(self.state)]


async def ended(process: asyncio.subprocess.Process, number: signal.Signals) -> Outcome:
    """Send a process a signal, and wait for its end."""
    process.send_signal(number)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return Outcome(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def topic(kafka: str, prefix: str) -> Topic:
    topic = Topic(kafka, prefix)
    await topic.create()
    return topic


@pytest.fixture
def command(topic: Topic, tmp_path: Path) -> Command:
    return Command(topic, tmp_path)
