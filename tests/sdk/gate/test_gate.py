import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from halt400.errors import BrokerUnavailable, JobQuarantined
from halt400.gate import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.records import Command
from halt400.sync import SyncGate

from .. import topics
from ..commands import JOB, TARGET, command, record

pytestmark = pytest.mark.broker

Issue = Callable[..., Awaitable[None]]


@pytest.fixture
async def issue(kafka: str, prefix: str) -> Issue:
    await topics.create(kafka, f"{prefix}control")

    async def write(*commands: Command) -> None:
        await topics.write(kafka, f"{prefix}control", [record(issued) for issued in commands])

    return write


@pytest.fixture
async def gate(kafka: str, prefix: str, issue: Issue) -> AsyncIterator[Gate]:
    async with Gate(KafkaConnection(kafka, prefix)) as gate, asyncio.timeout(30):
        await gate.wait_caught_up()
        yield gate


async def test_a_quarantined_job_is_refused_on_its_target_only(gate: Gate, issue: Issue) -> None:
    issued = command()
    await issue(issued)
    await gate.wait_caught_up()
    assert gate.check(TARGET, JOB) == issued
    assert gate.check(TARGET, "another-job") is None
    assert gate.check("another.example", JOB) is None
    with pytest.raises(JobQuarantined, match=r"extract-099 is quarantined.*halt400 release") as caught:
        gate.raise_if_halted(TARGET, JOB)
    assert caught.value.command == issued


async def test_a_quarantined_target_refuses_all_its_jobs(gate: Gate, issue: Issue) -> None:
    await issue(command(kind="target"))
    await gate.wait_caught_up()
    assert not gate.is_open(TARGET, JOB)
    assert not gate.is_open(TARGET, "any")
    assert gate.is_open("another.example", JOB)


async def test_a_quarantined_request_refuses_this_request_only(gate: Gate, issue: Issue) -> None:
    await issue(command(kind="request"))
    await gate.wait_caught_up()
    assert gate.is_open(TARGET, JOB)
    assert gate.is_open(TARGET, JOB, "beef")
    assert not gate.is_open(TARGET, JOB, "f00d")


async def test_release_and_deletion_open_the_gate(kafka: str, prefix: str, gate: Gate, issue: Issue) -> None:
    await issue(command(), command(kind="target"))
    await gate.wait_caught_up()
    assert len(gate.commands()) == 2
    await issue(command(2, "released"))
    await topics.write(kafka, f"{prefix}control", [(f"target/{TARGET}".encode(), None)])
    await gate.wait_caught_up()
    assert gate.is_open(TARGET, JOB)
    assert gate.commands() == []


async def test_an_older_command_that_is_written_late_changes_nothing(gate: Gate, issue: Issue) -> None:
    await issue(command(1), command(3, "released"), command(2))
    await gate.wait_caught_up()
    assert gate.is_open(TARGET, JOB)


async def test_a_command_expires(kafka: str, prefix: str, issue: Issue) -> None:
    now_ms = 10_000.0
    await issue(command(expires_at=20_000))
    async with Gate(KafkaConnection(kafka, prefix), clock_ms=lambda: now_ms) as gate, asyncio.timeout(20):
        await gate.wait_caught_up()
        await gate.stop()
        assert not gate.is_open(TARGET, JOB)
        now_ms = 20_000.0
        assert gate.is_open(TARGET, JOB)
        assert gate.check(TARGET, JOB) is None
        assert gate.commands() == []


async def test_refused_requests_are_counted_by_scope(gate: Gate, issue: Issue) -> None:
    await issue(command(), command(kind="target", state="released"))
    await gate.wait_caught_up()
    for _ in range(3):
        issued = gate.check(TARGET, JOB)
    assert not gate.is_open(TARGET, JOB)
    assert issued is not None
    gate.count_not_sent(issued, 40)
    assert gate.not_sent == {f"job/{TARGET}/{JOB}": 43}


async def test_only_the_gate_with_the_lease_probes_and_only_once(kafka: str, prefix: str, issue: Issue) -> None:
    probing = command(2, "probing")
    await issue(command(), probing)
    asked: list[Command] = []

    def holds_the_lease(issued: Command) -> bool:
        asked.append(issued)
        return True

    async with (
        Gate(KafkaConnection(kafka, prefix), may_probe=holds_the_lease) as holder,
        Gate(KafkaConnection(kafka, prefix)) as other,
        asyncio.timeout(20),
    ):
        await holder.wait_caught_up()
        await other.wait_caught_up()
        assert holder.is_open(TARGET, JOB)
        assert holder.check(TARGET, JOB) is None
        assert holder.check(TARGET, JOB) == probing
        assert other.check(TARGET, JOB) == probing
        assert asked == [probing, probing]


async def test_listeners_receive_each_change_once(gate: Gate, issue: Issue) -> None:
    heard: list[tuple[int, str]] = []
    gate.on_change(lambda changed: heard.append((changed.sequence, changed.state)))
    gate.on_change(lambda changed: 1 / 0)  # type: ignore[arg-type, return-value]
    halted = asyncio.create_task(gate.wait_halted(TARGET, JOB))

    async def states() -> list[str]:
        found = []
        async for changed in gate.changes():
            found.append(changed.state)
            if changed.state == "released":
                break
        return found

    listening = asyncio.create_task(states())
    await asyncio.sleep(0)
    await issue(command(1))
    assert (await halted).sequence == 1
    await issue(command(1))
    await issue(command(2, "probing"))
    await gate.wait_caught_up()
    await issue(command(3, "released"))
    assert await listening == ["quarantined", "probing", "released"]
    assert heard == [(1, "quarantined"), (2, "probing"), (3, "released")]


async def test_an_undecodable_command_leaves_the_last_one_in_force(
    kafka: str, prefix: str, gate: Gate, issue: Issue
) -> None:
    key = f"job/{TARGET}/{JOB}".encode()
    await topics.write(kafka, f"{prefix}control", [(key, b"{"), (b"job/other", b'{"version": 9}')])
    await issue(command())
    await topics.write(kafka, f"{prefix}control", [(key, b"garbage"), (key, b'{"sequence": 9, "issued_at": 9000}')])
    await gate.wait_caught_up()
    assert not gate.is_open(TARGET, JOB)
    assert gate.healthy


async def test_without_kafka_requests_pass_unless_fail_open_is_false(unused_port: int) -> None:
    nowhere = f"127.0.0.1:{unused_port}"
    async with Gate(nowhere) as gate, Gate(nowhere, fail_open=False) as strict:
        assert gate.check(TARGET, JOB) is None
        assert gate.is_open(TARGET, JOB)
        assert not gate.healthy
        assert not strict.is_open(TARGET, JOB)
        with pytest.raises(BrokerUnavailable, match="fail_open"):
            strict.check(TARGET, JOB)


async def test_the_synchronous_gate_answers_the_same(kafka: str, prefix: str, issue: Issue) -> None:
    await issue(command())

    def work() -> None:
        with SyncGate(KafkaConnection(kafka, prefix)) as gate:
            gate.wait_caught_up(20)
            assert gate.check(TARGET, JOB) is not None
            assert gate.is_open(TARGET, "another-job")
            with pytest.raises(JobQuarantined):
                gate.raise_if_halted(TARGET, JOB)
            assert gate.gate.not_sent == {f"job/{TARGET}/{JOB}": 2}
        assert not gate.is_open(TARGET, JOB)

    await asyncio.to_thread(work)
