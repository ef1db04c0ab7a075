"""The life of a quarantine on the real broker: opened, extended, probed, released, over restarts and replays."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import aiohttp
import msgspec

from halt400.gate import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.operations import operation_id
from halt400.records import Operation, Scope
from tests.cli.command import run
from tests.worker.conftest import Cluster

TARGET = "api.shop.example"
_numbers = count()

Published = tuple[bytes, bytes]


def event(status: int, target: str = TARGET, job_id: str = "job-0", path: str = "products") -> Published:
    """One logical request of its own: no other has its id or its URL."""
    number = next(_numbers)
    value = {
        "id": f"e{number}",
        "time": int(time.time() * 1000),
        "target": target,
        "job_id": job_id,
        "request": {"method": "GET", "url": f"https://{target}/{path}?page={number}"},
        "response": {"status": status},
        "release": "4.2.1",
    }
    return target.encode(), msgspec.json.encode(value)


def good(requests: int, target: str = TARGET, jobs: int = 5) -> Iterator[Published]:
    return (event(200, target, f"job-{number % jobs}") for number in range(requests))


def broken(requests: int, target: str = TARGET, jobs: int = 5) -> Iterator[Published]:
    return (event(400, target, f"job-{number % jobs}") for number in range(requests))


def job(job_id: str, target: str = TARGET) -> Scope:
    return Scope(kind="job", target=target, job_id=job_id)


def operation(kind: str, scope: Scope, **fields: object) -> Operation:
    known = {
        "operation_id": operation_id(),
        "time": int(time.time() * 1000),
        "actor": "ada",
        "reason": "the release was rolled back",
    }
    return msgspec.convert(known | fields | {"kind": kind, "scope": msgspec.to_builtins(scope)}, Operation)


async def test_a_target_wide_break_over_five_jobs_pages_once(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    await cluster.publish([*good(5_000), *broken(200)])
    await cluster.until_idle()

    async def target_is_quarantined() -> bool:
        return f"target/{TARGET}" in await cluster.latest()

    await cluster.until(target_is_quarantined)
    commands = await cluster.commands()
    (quarantine,) = [command for command in commands if command.scope.kind == "target"]
    assert (quarantine.scope.target, quarantine.state) == (TARGET, "quarantined")
    assert len([finding for finding in await cluster.findings() if finding.severity == "page"]) == 1
    assert {c.scope.id for c in commands if c.scope.kind == "job"} <= {job(f"job-{n}").id for n in range(5)}
    assert all(offence.command_id for offence in await cluster.offences())


async def test_a_poison_item_does_not_page(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    await cluster.publish([*good(5_000), *broken(200, jobs=1)])
    await cluster.until_idle()
    assert [command.scope.kind for command in await cluster.commands()] == ["job"]
    assert [(finding.kind, finding.severity) for finding in await cluster.findings()] == [("poison_item", "ticket")]


async def test_released_stays_released_after_a_restart_and_a_replay(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    await cluster.publish([*good(10), event(400, job_id="job-1"), event(400, job_id="job-2")])
    await cluster.until_idle()
    release = operation("release", job("job-1"))
    await cluster.operate(release)
    await cluster.until_idle("responses", "operations")
    latest = await cluster.latest()
    released, quarantined = latest[job("job-1").id], latest[job("job-2").id]
    assert (released.state, released.issued_by, released.reason) == ("released", "ada", "the release was rolled back")
    assert quarantined.state == "quarantined"
    before = await cluster.commands()

    for _ in range(2):
        assert cluster.stop_workers() == [0]
        await cluster.rewind("responses", "operations")
        cluster.start_worker("--role", "detect")
        await cluster.until_idle("responses", "operations")
    await cluster.operate(release)
    await cluster.until_idle("responses", "operations")
    assert await cluster.commands() == before

    await cluster.publish([event(400, job_id="job-1")])
    await cluster.until_idle()
    assert (await cluster.latest())[job("job-1").id].sequence == released.sequence + 1


async def test_a_hold_ends_without_traffic_and_after_a_restart(cluster: Cluster) -> None:
    cluster.write_policies("[defaults]\nhold_s = 2\nlease_s = 1\nexpiry_grace_s = 30\n")
    worker = cluster.start_worker("--role", "detect")
    await cluster.publish([event(400)])
    await cluster.until_idle()
    worker.kill()
    worker.wait()
    cluster.start_worker("--role", "detect")

    async def states() -> bool:
        return [command.state for command in await cluster.commands()] == ["quarantined", "probing", "released"]

    await cluster.until(states)
    assert (await cluster.latest())[job("job-0").id].reason == "expired: no probe was answered in time"


async def test_an_invalid_operation_is_refused_with_the_reason(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    await cluster.operate(
        operation("quarantine", Scope(kind="job", target=TARGET)), operation("quarantine", job("job-7"), hold_s=60)
    )
    await cluster.until_idle("operations")
    (letter,) = await cluster.read("responses.dlq")
    headers = dict(letter.headers)
    assert headers["halt400.error"] == b"invalid_operation"
    assert headers["halt400.topic"] == f"{cluster.prefix}operations".encode()
    assert [command.scope.id for command in await cluster.commands()] == [job("job-7").id]


async def test_new_policies_are_in_force_without_a_restart_and_wrong_ones_are_not(cluster: Cluster) -> None:
    cluster.write_policies('[defaults]\nmode = "shadow"\n')
    cluster.start_worker("--role", "detect")
    await cluster.publish([event(400)])
    await cluster.until_idle()
    assert await cluster.commands() == []
    cluster.write_policies('[defaults]\nmode = "quiet"\n')
    await cluster.until(lambda: "line 2" in cluster.log_text())
    cluster.write_policies('[defaults]\nmode = "live"\nhold_s = 77\n')
    await cluster.until(lambda: "was read again" in cluster.log_text())
    await cluster.publish([event(400)])
    await cluster.until_idle()
    (command,) = await cluster.commands()
    assert command.expires_at - command.issued_at == (77 + 120) * 1000


async def test_a_person_releases_extends_and_quarantines_on_the_command_line(cluster: Cluster) -> None:
    cluster.start_worker("--role", "detect")
    await cluster.publish([*good(20), event(400)])
    await cluster.until_idle()
    scope, target = job("job-0").id, f"target/{TARGET}"

    async def halt400(*arguments: str) -> tuple[int, str]:
        done = await run(*arguments, **cluster.settings)
        return done.code, done.out + done.err

    code, output = await halt400("extend", scope, "--hold", "2h", "--reason", "waiting for the vendor", "--as", "ada")
    assert code == 0, output
    assert re.match(rf"{scope} is quarantined until (\d{{4}}-\d\d-\d\d )?\d\d:\d\d:\d\dZ: ", output), output
    assert output.endswith("waiting for the vendor (ada)\n")
    code, output = await halt400("explain", TARGET)
    assert code == 0, output
    assert f"{TARGET}: policy strict, mode live" in output
    assert f"{scope}: quarantined until" in output
    assert "issued cmd-" in output
    explained = json.loads((await halt400("explain", TARGET, "--format", "json"))[1])
    assert isinstance(explained["reading"], dict), "each value has a name"
    assert all(isinstance(found, dict) for found in explained["jobs"])
    assert explained["last"] is None or isinstance(explained["last"], dict)
    code, output = await halt400("explain", "never.seen.example")
    assert code == 0, output
    assert "never.seen.example: policy strict, mode live (pattern *, the default)" in output
    assert (await halt400("release", scope, "--reason", "mended"))[0] == 0
    code, output = await halt400("release", scope, "--reason", "mended")
    assert (code, "is released already" in output) == (1, True), output
    code, output = await halt400("quarantine", target, "--reason", "its owner asked")
    assert (code, len(output.splitlines())) == (0, 1), output
    code, output = await halt400("quarantine", "target/never.seen.example", "--reason", "a name with a mistake")
    assert (code, "No response of never.seen.example was counted" in output) == (0, True), output
    assert (await cluster.latest())[target].state == "quarantined"
    await operate_over_http(cluster, scope, target)

    cluster.stop_workers()
    code, output = await halt400("release", target, "--reason", "over", "--timeout", "3")
    assert (code, "no worker has carried it out in 3 s" in output) == (1, True), output


async def operate_over_http(cluster: Cluster, scope: str, target: str) -> None:
    """What the command line does, over HTTP: `scope` is released, `target` quarantined, before and after."""
    async with aiohttp.ClientSession(cluster.api_url()) as http:

        async def ask(kind: str = "release", *, key: str | None = None, **body: object) -> tuple[int, dict[str, Any]]:
            sent = {"kind": kind, "scope": scope, "reason": "4.2.1 is out", "actor": "ada", **body}
            headers = {"Idempotency-Key": key} if key else {}
            async with http.post("/v1/operations", json=sent, headers=headers) as response:
                return response.status, await response.json(content_type=None)

        status, problem = await ask("release")
        assert (status, problem["code"]) == (409, "not_carried_out")
        assert problem["detail"] == f"{scope} is released already: there is nothing to release."
        status, first = await ask("quarantine", key="k-1", hold_s=600)
        assert (status, first["quarantine"]["state"], first["quarantine"]["issued_by"]) == (200, "quarantined", "ada")
        status, answer = await ask("probe")
        assert (status, answer["quarantine"]["state"]) == (200, "probing")
        assert answer["quarantine"]["reason"] == "ada asks for a probe: 4.2.1 is out"
        assert (await ask("probe"))[0] == 409
        status, again = await ask("quarantine", key="k-1", hold_s=600)
        assert (status, again) == (200, first), "an operation that is sent again with its key takes effect once"
        assert (await ask("quarantine", key="k-1", hold_s=60))[0] == 422
        assert (await ask("extend", hold_s=60))[1]["quarantine"]["state"] == "quarantined"
        assert (await ask("release"))[1]["quarantine"]["state"] == "released"
        status, problem = await ask(scope="job")
        assert (status, problem["code"]) == (404, "unknown_scope")
        for wrong in ({"reason": " "}, {"actor": "halt400.detect"}, {"hold_s": 0}, {"kind": "stop"}):
            status, problem = await ask(**wrong)
            assert (status, problem["code"], problem["parameter"]) == (400, "bad_body", *wrong)
        async with http.get("/v1/commands", params={"scope": scope}) as response:
            states = [command["state"] for command in (await response.json())["commands"]]
        assert states[:4] == ["released", "quarantined", "probing", "quarantined"]
        async with http.post("/v1/acknowledgements", json={"incident": "none", "actor": "ada"}) as response:
            assert response.status == 404
    assert "ada asks for probe of job/" in cluster.log_text(), "each change is on the log with its actor"


GATE = """
import asyncio, sys
from halt400 import Gate, KafkaConnection

async def main(kafka, prefix, report):
    async with Gate(KafkaConnection(kafka, prefix)) as gate:
        await gate.wait_caught_up()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while gate.check("api.shop.example", "job-0") is not None:
            await asyncio.sleep(0.02)
        print("sends", flush=True)
        if report == "hang":
            await asyncio.sleep(600)
        gate.report("api.shop.example", "job-0", 200)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


async def start_gate(cluster: Cluster, report: str) -> asyncio.subprocess.Process:
    """Start a gate in a process of its own; with a line on its standard input it begins to ask whether it may send."""
    command = [sys.executable, "-c", GATE, cluster.bootstrap_servers, cluster.prefix, report]
    gate = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert gate.stdout is not None
    assert await gate.stdout.readline() == b"ready\n"
    return gate


async def test_a_probe_is_single_across_three_gates_with_one_killed_while_it_holds_the_lease(cluster: Cluster) -> None:
    cluster.write_policies("[defaults]\nhold_s = 2\nlease_s = 5\nexpiry_grace_s = 60\n")
    cluster.start_worker("--role", "detect")
    await cluster.publish([event(400)])
    await cluster.until_idle()
    async with asyncio.timeout(60):
        # The first holder never reports, as a scraper would that hangs; then it is killed.
        gates = await asyncio.gather(*(start_gate(cluster, "hang") for _ in range(3)))
        for gate in gates:
            assert gate.stdin is not None
            gate.stdin.write(b"begin\n")
        outputs = [asyncio.create_task(gate.stdout.readline()) for gate in gates if gate.stdout is not None]
        done, waiting = await asyncio.wait(outputs, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [b"sends\n"]
        holder = outputs.index(done.pop())
        gates[holder].kill()
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [b"sends\n"]
        second = outputs.index(done.pop())
        leases = [c for c in await cluster.commands() if c.issued_by.startswith("gate/")]
        assert len(leases) == len({lease.issued_by for lease in leases}) == 2
        assert leases[1].issued_at - leases[0].issued_at >= 5_000
        await cluster.operate(
            operation(
                "probe_result",
                job("job-0"),
                actor=leases[1].issued_by,
                probe_status=200,
                probe_id=leases[1].command_id,
            )
        )
        (third,) = {0, 1, 2} - {holder, second}
        assert await outputs[third] == b"sends\n"
    for gate in gates:
        if gate.returncode is None:
            gate.kill()
        await gate.wait()
    released = (await cluster.latest())[job("job-0").id]
    assert (released.state, released.issued_by, released.reason) == (
        "released",
        leases[1].issued_by,
        "the probe got a 200",
    )


async def test_a_gate_reports_what_its_probe_got_and_a_400_doubles_the_hold(cluster: Cluster) -> None:
    cluster.write_policies("[defaults]\nhold_s = 2\nlease_s = 30\nexpiry_grace_s = 60\n")
    cluster.start_worker("--role", "detect")
    await cluster.publish([event(400)])
    await cluster.until_idle()
    async with Gate(KafkaConnection(cluster.bootstrap_servers, cluster.prefix)) as gate, asyncio.timeout(60):
        await gate.wait_caught_up()
        for status in (400, 200):
            await cluster.until(lambda: gate.check(TARGET, "job-0") is None)
            assert gate.check(TARGET, "job-0") is not None
            gate.report(TARGET, "job-0", status)
        await cluster.until(lambda: gate.commands() == [])
    commands = await cluster.commands()
    assert [command.state for command in commands] == [
        "quarantined",
        "probing",
        "probing",
        "quarantined",
        "probing",
        "probing",
        "released",
    ]
    first, again = commands[0], commands[3]
    assert (first.expires_at - first.issued_at, again.expires_at - again.issued_at) == (62_000, 64_000)
