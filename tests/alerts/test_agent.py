"""The alert agents on a real broker: one alert per cause, across restarts; a slow sink delays nothing else."""

import time
from typing import Any

import aiohttp
import pytest

from halt400.errors import QueryError
from halt400.gate import Gate
from halt400.records import Command
from streams.alerts.alerts_topic import acknowledge
from streams.alerts.config import load_alerts
from streams.alerts.dead_letters import resend
from streams.alerts.incident import FLEET_FAULT, Acknowledgement, decode_incident
from streams.alerts.notification import decode_notification
from streams.page import page_server
from streams.quarantine.not_sent import NotSent
from streams.settings import load_settings
from tests.alerts.conftest import AlertBench
from tests.alerts.examples import TARGET, finding
from tests.alerts.examples import command as make
from tests.alerts.servers import HANG, ROUTING_KEY, SIGNING_SECRET, SILENT
from tests.waiting import until

PAGES = 'name = "pages"\nsinks = ["pager"]'
HOOKS = 'name = "hooks"\nsinks = ["hook"]'
KEY = f"{TARGET}/malformed_json"


def command(job: str | None = "extract-099", state: str = "quarantined", **changes: Any) -> Command:
    return make(job, state, at=int(time.time() * 1000), **changes)


async def test_five_jobs_of_one_cause_page_once_and_the_last_release_resolves(bench: AlertBench) -> None:
    bench.configure(PAGES)
    async with bench.worker():
        jobs = [f"job-{number}" for number in range(5)]
        await bench.publish(command(None), *(command(job) for job in jobs))
        await until(lambda: bench.pager.open)
        await bench.publish(*(command(job, "released", sequence=2) for job in jobs))
        await until(bench.is_committed)
        assert bench.pager.open == {f"halt400/{KEY}": "critical"}
        await bench.publish(command(None, "released", sequence=2))
        await until(lambda: not bench.pager.open)
    assert bench.pager.incidents == [f"halt400/{KEY}"]


async def test_the_resolve_says_how_many_requests_the_gates_of_all_scrapers_have_saved(bench: AlertBench) -> None:
    bench.configure(HOOKS)
    kafka = bench.settings.kafka
    async with (
        bench.worker(),
        Gate(kafka.connection) as first,
        Gate(kafka.connection) as second,
    ):
        await bench.publish(command("a"), command("b"))
        await until(lambda: bench.hook.received)
        for gate, job, requests in ((first, "a", 3), (second, "a", 1), (second, "b", 4996)):
            quarantine = await gate.wait_halted(TARGET, job)
            gate.count_not_sent(quarantine, requests - 1)
            assert gate.check(TARGET, job) == quarantine
        await bench.publish(*(command(job, "released", sequence=2, opened_at=1) for job in ("a", "b")))
        await until(lambda: bench.hook.received[-1].action == "resolve")
    counted = bench.hook.received[-1].not_sent
    assert counted == NotSent(requests=5000, gates=2)


async def test_a_restart_sends_nothing_twice_and_resolves_what_was_triggered_before(bench: AlertBench) -> None:
    bench.configure(PAGES, HOOKS)
    for round_ in range(3):
        async with bench.worker():
            await bench.publish(command("early"), command(f"job-{round_}", sequence=1))
            await until(bench.is_committed)
            await until(lambda wanted=round_ + 2: bench.hook.received and len(bench.hook.received[-1].scopes) == wanted)
            await until(lambda: bench.pager.open)
    await bench.publish(
        command("early", "released", sequence=2),
        *(command(f"job-{round_}", "released", sequence=2) for round_ in range(3)),
    )
    async with bench.worker():
        await until(lambda: not bench.pager.open)
        await until(lambda: bench.hook.received[-1].action == "resolve")
    assert len(bench.hook.ids) == len(set(bench.hook.ids))
    assert [found.action for found in bench.hook.received].count("trigger") == 1
    assert bench.pager.incidents == [f"halt400/{KEY}"]


async def test_a_worker_killed_at_the_worst_moment_pages_under_the_same_key_and_id(bench: AlertBench) -> None:
    bench.configure(PAGES, HOOKS)
    first = bench.start_process()
    await bench.publish(command(None))
    await until(lambda: bench.hook.received or bench.pager.received)
    first.kill()  # a delivery may have been accepted and not recorded
    first.wait()
    bench.start_process()
    await until(lambda: bench.hook.received and bench.pager.received)
    await until(bench.is_committed)
    await bench.publish(command(None, "released", sequence=2))
    await until(lambda: not bench.pager.open)
    await until(lambda: bench.hook.received[-1].action == "resolve")
    assert bench.pager.incidents == [f"halt400/{KEY}"]
    assert len({found.id for found in bench.hook.received if found.action == "trigger"}) == 1


async def test_a_page_that_arrived_unrecorded_is_resolved_though_its_quarantine_ended_before_the_next_worker(
    bench: AlertBench,
) -> None:
    bench.configure(PAGES)
    bench.pager.always = SILENT
    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.pager.open)
    bench.pager.always = None
    await bench.publish(command(None, "released", sequence=2))
    async with bench.worker():
        await until(lambda: not bench.pager.open)
    assert [event["event_action"] for event in bench.pager.received] == ["trigger", "resolve"]


async def test_a_page_that_surely_did_not_arrive_is_not_resolved(bench: AlertBench) -> None:
    bench.configure(PAGES)
    bench.pager.always = (503, {}, b"")

    async def closed() -> bool:
        rows = [decode_incident(record.value) for record in await bench.read("alerts") if record.value is not None]
        return bool(rows) and rows[-1].closed_at is not None and not rows[-1].first_attempts

    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.pager.received)
        await bench.publish(command(None, "released", sequence=2))
        await until(closed)
        bench.pager.always = None
        await bench.publish(command(None, target="other.example"))
        await until(lambda: bench.pager.open)
    assert {event["event_action"] for event in bench.pager.received} == {"trigger"}


async def test_partitions_move_between_workers_with_their_incidents(bench: AlertBench) -> None:
    bench.configure(PAGES, HOOKS)
    targets = [f"t{number}.example" for number in range(8)]
    async with bench.worker():
        await bench.publish(*(command(None, target=target) for target in targets))
        await until(lambda: len(bench.pager.open) == len(targets) == len(bench.hook.received))
        async with bench.worker() as second:
            await until(lambda: second.partitions)
            await bench.publish(*(command("a-job", target=target) for target in targets))
            await until(lambda: len(bench.hook.received) == 2 * len(targets))
            await until(bench.is_committed)
        for job in (None, "a-job"):
            await bench.publish(*(command(job, "released", sequence=2, target=target) for target in targets))
        await until(lambda: not bench.pager.open)
    assert sorted(bench.pager.incidents) == [f"halt400/{target}/malformed_json" for target in targets]
    assert len(bench.hook.ids) == len(set(bench.hook.ids))


async def test_a_pager_that_hangs_delays_neither_other_sinks_nor_the_offsets(bench: AlertBench) -> None:
    bench.configure(PAGES, HOOKS)
    bench.pager.always = HANG
    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.pager.received)
        await until(lambda: bench.hook.received)
        await until(bench.is_committed)
        assert bench.pager.incidents == []
        started = time.monotonic()
    assert time.monotonic() - started < 15
    bench.pager.always = None
    async with bench.worker():
        await until(lambda: bench.pager.incidents == [f"halt400/{KEY}"])
    assert len(bench.hook.received) == 1


async def test_what_a_sink_refuses_is_a_dead_letter_with_the_reason_and_can_be_sent_again(bench: AlertBench) -> None:
    bench.configure(PAGES)
    bench.pager.always = (400, {}, b'{"status": "invalid event"}')
    async with bench.worker():
        await bench.publish(command(None))
        letters = await until(lambda: bench.read("alerts.dlq"))
        await until(bench.is_committed)
        assert len(bench.pager.received) == 1
        (letter,) = letters
        headers = {name: value.decode() for name, value in letter.headers}
        assert headers.pop("halt400.message").startswith("400 ")
        assert headers == {
            "halt400.error": "refused",
            "halt400.sink": "pager",
            "halt400.route": "pages",
            "halt400.action": "trigger",
            "halt400.incident": KEY,
            "halt400.attempts": "1",
        }
        assert decode_notification(letter.value or b"").target == TARGET

        sinks = load_alerts(bench.config).make_sinks(
            {"TEST_ROUTING_KEY": ROUTING_KEY, "TEST_SIGNING_SECRET": SIGNING_SECRET}
        )
        kafka, partitions = bench.settings.kafka.connection, bench.settings.kafka.partitions
        assert [found.result for found in await resend(kafka, partitions, sinks, dry_run=True)] == ["waiting"]
        assert [found.result for found in await resend(kafka, partitions, sinks)] == ["kept"]
        bench.pager.always = None
        settings = load_settings(
            kafka=bench.settings.kafka.model_dump(), config={"path": bench.config}, api={"port": 0}
        )
        async with page_server(settings) as server, aiohttp.ClientSession(server.url) as http:
            await server.read_model.wait_caught_up()
            async with http.post("/v1/alerts/resend", json={"reason": "which?", "dry_run": True}) as answer:
                assert (await answer.json())["waiting"] == 1
            async with http.post("/alerts/resend", data={"reason": "the pager is mended"}) as answer:
                assert "<strong>1 sent again.</strong>" in await answer.text()
            async with http.post("/v1/alerts/resend", json={"reason": "again"}) as answer:
                assert await answer.json() == {
                    "by": "local", "sent": 0, "over": 0, "kept": 0, "unreadable": 0, "waiting": 0, "alerts": [],
                }  # fmt: skip
        assert bench.pager.incidents == [f"halt400/{KEY}"]
        for sink in sinks.values():
            await sink.close()


async def test_a_dead_letter_of_a_closed_incident_is_not_sent(bench: AlertBench) -> None:
    bench.configure(PAGES)
    bench.pager.script = [(400, {}, b"")]
    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.read("alerts.dlq"))
        await bench.publish(command(None, "released", sequence=2))
        await until(lambda: len(bench.pager.received) == 2)
        await until(bench.is_committed)
    sinks = load_alerts(bench.config).make_sinks(
        {"TEST_ROUTING_KEY": ROUTING_KEY, "TEST_SIGNING_SECRET": SIGNING_SECRET}
    )
    kafka = bench.settings.kafka
    assert [found.result for found in await resend(kafka.connection, kafka.partitions, sinks)] == ["over"]
    assert bench.pager.incidents == []
    for sink in sinks.values():
        await sink.close()


async def test_an_acknowledgement_reaches_the_pager_and_stops_the_escalation(bench: AlertBench) -> None:
    bench.configure(
        'name = "hooks"\nsinks = ["hook"]\nescalate_to = "pages"\nescalate_after_s = 600',
        f"{PAGES}\ndirect = false",
    )
    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.hook.received)
        with pytest.raises(QueryError, match="No incident"):
            await acknowledge(bench.settings.kafka, "other/unknown", Acknowledgement(by="alice", at=1))
        word = Acknowledgement(by="alice", at=int(time.time() * 1000))
        await acknowledge(bench.settings.kafka, KEY, word)
        await until(lambda: bench.hook.received[-1].action == "acknowledge")
        assert bench.hook.received[-1].acknowledged_by == "alice"
        bench.ahead_s = 3600
        await bench.publish(command("another", expires_at=int(bench.clock() * 1000) + 900_000))
        await until(lambda: len(bench.hook.received) == 3)
    assert bench.pager.received == []


async def test_without_an_acknowledgement_the_next_route_is_used_too(bench: AlertBench) -> None:
    bench.configure(
        'name = "hooks"\nsinks = ["hook"]\nescalate_to = "pages"\nescalate_after_s = 600',
        f"{PAGES}\ndirect = false",
    )
    async with bench.worker():
        await bench.publish(command(None))
        await until(lambda: bench.hook.received)
        await until(bench.is_committed)
        assert bench.pager.received == []
    bench.ahead_s = 601
    async with bench.worker():
        await until(lambda: bench.pager.open)
        await bench.publish(command(None, "released", sequence=2))
        await until(lambda: not bench.pager.open)
    assert [found.action for found in bench.hook.received] == ["trigger", "resolve"]


async def test_a_fault_of_the_fleet_pages_once_beside_all_its_alarms_and_across_restarts(bench: AlertBench) -> None:
    bench.configure(PAGES)
    targets = [f"t{number}.example" for number in range(8)]
    for worker in (1, 2):  # each reports it once
        async with bench.worker():
            at = int(bench.clock() * 1000)
            await bench.publish(
                *(
                    finding("target_alarm", worker, target=target, finding_id=f"{target}{worker}", at=at)
                    for target in targets
                ),
                finding("fleet_fault", worker, at=at),
            )
            await until(lambda: f"halt400/{FLEET_FAULT}" in bench.pager.open)
            await until(bench.is_committed)
            bench.ahead_s += 60
            await until(lambda: list(bench.pager.open.values()).count("warning") == len(targets))
            assert bench.pager.open[f"halt400/{FLEET_FAULT}"] == "critical"
    assert len(bench.pager.incidents) == 1 + len(targets)
    bench.ahead_s += 5 * 3600
    async with bench.worker():
        await until(lambda: f"halt400/{FLEET_FAULT}" not in bench.pager.open)


async def test_an_alarm_and_the_quarantine_for_it_are_one_page_and_end_together(bench: AlertBench) -> None:
    bench.configure(PAGES)
    async with bench.worker():
        await bench.publish(finding("target_alarm", at=int(time.time() * 1000)))
        await bench.publish(command("a-job"), command(None))
        await until(lambda: bench.pager.open)
        await until(bench.is_committed)
    async with bench.worker():
        await bench.publish(finding("target_alarm", 2, at=int(time.time() * 1000)))
        await until(bench.is_committed)
        assert len(bench.pager.open) == 1
        for job in ("a-job", None):
            await bench.publish(command(job, "released", sequence=2))
        await until(lambda: not bench.pager.open)
    assert len(bench.pager.incidents) == 1


async def test_a_retry_loop_names_the_worker_and_is_updated_as_it_grows(bench: AlertBench) -> None:
    bench.configure(HOOKS)
    async with bench.worker():
        for number, wasted in enumerate((1, 2, 4)):
            at = int(time.time() * 1000)
            await bench.publish(finding("retry_loop", number, wasted_requests=wasted, at=at))
            await until(lambda wanted=wasted: bench.hook.received and bench.hook.received[-1].wasted_requests == wanted)
    last = bench.hook.received[-1]
    assert [found.action for found in bench.hook.received] == ["trigger", "update", "update"]
    assert (last.severity, last.cause, last.findings[0].worker) == ("ticket", "retry_loop", "worker-7")


async def test_what_is_no_command_and_no_row_is_passed_over(
    bench: AlertBench, caplog: pytest.LogCaptureFixture
) -> None:
    from aiokafka import AIOKafkaProducer

    bench.configure(PAGES)
    producer = AIOKafkaProducer(bootstrap_servers=bench.settings.kafka.bootstrap_servers)
    await producer.start()
    for value in (b"{", b"null", None, b"[" * 100_000):
        await producer.send_and_wait(bench.settings.kafka.topic("control"), value, key=b"job/x/y")
        await producer.send_and_wait(bench.settings.kafka.topic("findings"), value, key=b"x")
        await producer.send_and_wait(bench.settings.kafka.topic("alerts"), value, key=b"x/unknown", partition=0)
    await producer.stop()
    await bench.publish(command(None))
    async with bench.worker():
        await until(lambda: bench.pager.open)
        await until(bench.is_committed)
    assert caplog.text.count("not a valid command") == 3
    assert caplog.text.count("not a valid finding") == 3
    assert "not a valid incident" in caplog.text
