"""What a gate did not send is told: whole counts, the last of them when it ends, and never at the scraper's cost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from halt400.errors import JobQuarantined
from halt400.gate import Gate
from halt400.gate.savings_reporter import SavingsReporter, savings_key
from halt400.guard import RequestGuard
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.record_sender import RecordSender
from halt400.publisher import Publisher
from halt400.records import Command, Savings
from halt400.sync import SyncGate
from tests.waiting import until

from .. import topics
from ..commands import JOB, TARGET, command, record

pytestmark = pytest.mark.broker

Issue = Callable[..., Awaitable[None]]
Told = Callable[[], Awaitable[list[Savings]]]


@pytest.fixture
async def issue(kafka: str, prefix: str) -> Issue:
    await topics.create(kafka, f"{prefix}control", f"{prefix}savings", partitions=1)

    async def write(*commands: Command) -> None:
        await topics.write(kafka, f"{prefix}control", [record(issued) for issued in commands])

    return write


@pytest.fixture
def told(kafka: str, prefix: str) -> Told:
    async def read() -> list[Savings]:
        return [msgspec.json.decode(value, type=Savings) for value in await topics.read(kafka, f"{prefix}savings")]

    return read


async def said(told: Told, requests: int) -> bool:
    """Whether the last report has this count."""
    return [found.requests for found in await told()][-1:] == [requests]


@pytest.fixture
async def reporter(kafka: str, prefix: str) -> AsyncIterator[SavingsReporter]:
    """One that reports every hundredth of a second."""
    sender = RecordSender(kafka)
    yield SavingsReporter("gate/here/1/a", sender, f"{prefix}savings", clock_ms=lambda: 7, interval_s=0.01)
    await sender.stop()


async def test_a_gate_that_stops_reports_what_it_refused_and_what_its_job_did_not_send(
    kafka: str, prefix: str, issue: Issue, told: Told
) -> None:
    issued = command(opened_at=1234)
    await issue(issued)
    async with Gate(KafkaConnection(kafka, prefix)) as gate, asyncio.timeout(30):
        await gate.wait_caught_up()
        assert gate.check(TARGET, JOB) == issued
        gate.count_not_sent(issued, 4997)
    (savings,) = await told()
    assert (savings.gate, savings.scope, savings.opened_at) == (gate.name, issued.scope, 1234)
    assert savings.requests == 4998


async def test_a_release_reports_the_last_count_at_once(kafka: str, prefix: str, issue: Issue, told: Told) -> None:
    await issue(command())
    gate = Gate(KafkaConnection(kafka, prefix))
    gate._savings._interval_s = 3600.0
    async with gate, asyncio.timeout(60):
        held = await gate.wait_halted(TARGET, JOB)
        gate.count_not_sent(held, 40)
        await issue(command(2, "released"))
        await until(lambda: said(told, 40))


async def test_counts_are_totals_and_each_quarantine_has_its_own(
    issue: Issue, reporter: SavingsReporter, told: Told
) -> None:
    first, second = command(opened_at=1000), command(5, opened_at=9000)
    reporter.start()
    for issued, requests, whole in ((first, 1, 1), (first, 2, 3), (second, 5, 5)):
        reporter.add(issued, requests)
        await until(lambda whole=whole: said(told, whole))
    await reporter.stop()
    assert reporter.by_scope() == {f"job/{TARGET}/{JOB}": 8}
    latest = {savings_key(found): found.requests for found in await told()}
    assert sorted(latest.values()) == [3, 5]


async def test_a_quarantine_without_refused_requests_is_not_reported(
    issue: Issue, reporter: SavingsReporter, told: Told
) -> None:
    reporter.add(command(), 0)
    reporter.start()
    await reporter.stop()
    assert await told() == []


async def test_a_missing_topic_is_logged_once_and_delays_nobody(
    kafka: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    sender = RecordSender(kafka, deadline_s=0.5)
    reporter = SavingsReporter("gate/here/1/a", sender, f"{prefix}savings", clock_ms=lambda: 7, interval_s=0.01)

    def warnings() -> list[str]:
        return [found.levelname for found in caplog.records if found.name == "halt400.gate.savings_reporter"]

    reporter.start()
    reporter.add(command(), 3)
    await until(warnings)
    await topics.create(kafka, f"{prefix}savings", partitions=1)
    await until(lambda: topics.read(kafka, f"{prefix}savings"))
    await reporter.stop()
    await sender.stop()
    assert warnings() == ["WARNING"]


async def test_without_a_broker_a_gate_stops_within_seconds(unused_port: int) -> None:
    gate = Gate(f"127.0.0.1:{unused_port}")
    await gate.start()
    gate.count_not_sent(command(), 3)
    started = time.monotonic()
    await gate.stop()
    assert time.monotonic() - started < 8


async def test_synchronous_scrapers_count_too(kafka: str, prefix: str, issue: Issue, told: Told) -> None:
    issued = command()
    await issue(issued)

    def work() -> None:
        with SyncGate(KafkaConnection(kafka, prefix)) as gate:
            gate.wait_caught_up(20)
            assert gate.check(TARGET, JOB) == issued
            gate.count_not_sent(issued, 9)

    await asyncio.to_thread(work)
    assert [found.requests for found in await told()] == [10]


async def test_a_guard_counts_the_bytes_of_what_it_refuses_and_no_part_of_a_request_is_in_its_way(
    kafka: str, prefix: str, issue: Issue, told: Told
) -> None:
    issued = command()
    await issue(issued)

    def broken() -> bytes:
        raise ValueError("no body")

    url, connection = f"https://{TARGET}/", KafkaConnection(kafka, prefix)
    async with Gate(connection) as gate:
        await gate.wait_caught_up(20)
        guard = RequestGuard(Publisher(connection), gate, job_id=JOB)
        for body in ("ä{}", b"1234", None, broken):
            with pytest.raises(JobQuarantined):
                guard.admit("POST", url, target=TARGET, headers=lambda: [("Accept", "*/*")], body=body)
    (found,) = await told()
    assert found.requests == 4
    assert found.request_bytes == 3 * (len("POST") + len(url) + len("Accept*/*")) + len("ä{}".encode()) + 4
