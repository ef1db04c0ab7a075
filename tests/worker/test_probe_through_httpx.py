"""A probe through httpx is single: two scrapers with a gate each, jobs sent again and again, and a real worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from aiohttp import web

from halt400 import Gate, Publisher, RequestGuard
from halt400.errors import JobQuarantined
from halt400.integrations.httpx import Halt400Transport
from halt400.kafka.connection import KafkaConnection
from tests.worker.conftest import Cluster
from tests.worker.test_lifecycle import TARGET, job

JOBS = ("extract-1", "extract-2")
PRESSES = 25
"""Attempts of the scraper without the lease, on each job, that the gate refuses while a probe is open."""


class Api:
    """An HTTP API over loopback; the test sets what it answers, and when."""

    def __init__(self) -> None:
        self.status = 400
        self.hits: Counter[str] = Counter()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.hits[request.path.strip("/")] += 1
        status = self.status
        await self.may_answer.wait()
        return web.Response(status=status, text="answered")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api, app = Api(), web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    api.may_answer.set()
    await runner.cleanup()


class Scraper:
    """A client of one job behind one gate, and how often its requests were refused."""

    def __init__(self, api: Api, client: httpx.AsyncClient, job_id: str) -> None:
        self.api, self.client, self.job_id, self.refused = api, client, job_id, 0

    async def send(self) -> int | None:
        """The status that a new request got, None where it was not sent."""
        try:
            return (await self.client.get(f"{self.api.url}/{self.job_id}")).status_code
        except JobQuarantined:
            self.refused += 1
            return None

    async def press(self) -> int:
        """Try until a request gets through."""
        while True:
            status = await self.send()
            if status is not None:
                return status
            await asyncio.sleep(0.01)


async def test_one_request_per_scope_passes_two_gates_a_400_doubles_the_hold_and_a_success_releases(
    cluster: Cluster, api: Api
) -> None:
    cluster.write_policies("[defaults]\nhold_s = 2\nlease_s = 60\nexpiry_grace_s = 60\n")
    cluster.start_worker("--role", "detect")
    async with AsyncExitStack() as stack:
        gates, scrapers = [], []
        for _ in range(2):
            kafka = KafkaConnection(cluster.bootstrap_servers, cluster.prefix)
            publisher = await stack.enter_async_context(Publisher(kafka))
            gate = await stack.enter_async_context(Gate(kafka))
            gates.append(gate)
            for job_id in JOBS:
                guard = RequestGuard(publisher, gate, job_id=job_id, target=TARGET)
                transport = Halt400Transport(guard)
                client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, timeout=60))
                scrapers.append(Scraper(api, client, job_id))
            await gate.wait_caught_up()

        async def probe(status: int, *, kill: bool = False) -> None:
            """Let every scraper press on; while the probes are under way no other request passes, whoever dies."""
            api.status, before = status, api.hits.copy()
            api.may_answer.clear()
            pressing = [asyncio.create_task(scraper.press()) for scraper in scrapers]
            await cluster.until(lambda: all(api.hits[job_id] > before[job_id] for job_id in JOBS))
            if kill:
                cluster.workers[-1].kill()
                cluster.workers[-1].wait()
                cluster.start_worker("--role", "detect")
                await cluster.until(lambda: "Ready:" in cluster.logs[-1].read_text())
            marks = [scraper.refused + PRESSES for scraper in scrapers]

            def pressed_on() -> bool:
                return sum(s.refused >= mark for s, mark in zip(scrapers, marks, strict=True)) == len(JOBS)

            await cluster.until(pressed_on)
            assert api.hits - before == Counter(dict.fromkeys(JOBS, 1))
            api.may_answer.set()
            if status == 400:
                await cluster.until(lambda: sum(task.done() for task in pressing) == 2)
                assert [task.result() for task in pressing if task.done()] == [400, 400]
                for task in pressing:
                    task.cancel()
                await asyncio.gather(*pressing, return_exceptions=True)
            else:
                assert await asyncio.wait_for(asyncio.gather(*pressing), 60) == [200] * len(scrapers)

        assert [await scraper.send() for scraper in scrapers[:2]] == [400, 400]
        await cluster.until(lambda: all(not gate.is_open(TARGET, job_id) for gate in gates for job_id in JOBS))
        await probe(400)
        assert api.hits == Counter(dict.fromkeys(JOBS, 2))
        await probe(200, kill=True)

    commands = await cluster.commands()
    for job_id in JOBS:
        life = [command for command in commands if command.scope.id == job(job_id).id]
        assert [command.state for command in life] == [
            "quarantined",
            "probing",
            "probing",
            "quarantined",
            "probing",
            "probing",
            "released",
        ]
        first, again, last = life[0], life[3], life[6]
        assert (first.expires_at - first.issued_at, again.expires_at - again.issued_at) == (62_000, 64_000)
        assert (last.issued_by, last.reason) == (life[5].issued_by, "the probe got a 200")
        assert all(lease.issued_by.startswith("gate/") for lease in (life[2], life[5]))
