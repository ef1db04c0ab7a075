import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.proxies import ProxyPool, Released

from .commands import JOB, TARGET, command

URLS = ["http://user:secret@127.0.0.1:3001", "http://127.0.0.1:3002", "http://127.0.0.1:3003"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_proxies_are_leased_in_turn_and_named_without_their_password() -> None:
    pool = ProxyPool(URLS)
    ids = []
    for _ in range(6):
        lease = await pool.acquire(TARGET, JOB)
        pool.release(lease)
        ids.append(lease.proxy_id)
    assert ids == ["127.0.0.1:3001", "127.0.0.1:3002", "127.0.0.1:3003"] * 2
    assert "secret" not in repr(lease)


async def test_a_lease_waits_for_a_free_proxy() -> None:
    pool = ProxyPool(URLS[:1])
    first = await pool.acquire(TARGET, JOB)
    waiting = [asyncio.create_task(pool.acquire(TARGET, JOB)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    pool.release(first)
    async with asyncio.timeout(5):
        second = await waiting[1]
        pool.release(second)
        pool.release(second)
        await waiting[2]
    assert len(pool.leases) == 1


async def test_a_cancelled_wait_leaves_the_proxy_to_the_next() -> None:
    pool = ProxyPool(URLS[:1])
    lease = await pool.acquire(TARGET, JOB)
    waiting = [asyncio.create_task(pool.acquire(TARGET, JOB)) for _ in range(2)]
    await asyncio.sleep(0)
    pool.release(lease)
    waiting[0].cancel()
    async with asyncio.timeout(5):
        assert (await waiting[1]).proxy_id == "127.0.0.1:3001"


async def test_blame_lowers_the_reputation_which_recovers_with_time() -> None:
    clock = Clock()
    pool = ProxyPool(URLS[:2], half_life_s=100, clock=clock)
    lease = await pool.acquire(TARGET, JOB)
    pool.release(lease, blame=True)
    assert pool.scores() == {"127.0.0.1:3001": 0.5, "127.0.0.1:3002": 1.0}
    for _ in range(3):
        async with pool.lease(TARGET, JOB) as good:
            assert good.proxy_id == "127.0.0.1:3002"
    clock.now = 100
    assert pool.score("127.0.0.1:3001") == 0.75
    clock.now = 10_000
    assert pool.score("127.0.0.1:3001") == 1.0


async def test_a_quarantine_releases_the_leases_of_its_job_without_blame() -> None:
    pool = ProxyPool(URLS)
    heard: list[Released] = []
    pool.on_release(heard.append)
    held = await pool.acquire(TARGET, JOB)
    other_job = await pool.acquire(TARGET, "another-job")
    other_target = await pool.acquire("another.example", JOB)
    pool.obey(command(state="probing"))
    pool.obey(command(kind="request"))
    assert heard == []
    pool.obey(command())
    assert heard == [Released(held, False, 1.0)]
    pool.obey(command(kind="target"))
    assert pool.leases == {other_target}
    assert other_job not in pool.leases
    assert set(pool.scores().values()) == {1.0}


async def test_a_quarantine_with_blame_lowers_the_reputation_of_the_proxy() -> None:
    pool = ProxyPool(URLS[:1], clock=Clock())
    await pool.acquire(TARGET, JOB)
    pool.obey(command(proxy_blame=True))
    assert pool.scores() == {"127.0.0.1:3001": 0.5}


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ProxyPool([])


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1000)), max_size=50))
def test_a_score_stays_between_0_and_1(history: list[tuple[bool, float]]) -> None:
    async def live() -> None:
        clock = Clock()
        pool = ProxyPool(URLS[:1], clock=clock)
        for blame, passed in history:
            clock.now += passed
            pool.release(await pool.acquire(TARGET, JOB), blame=blame)
            assert 0 <= pool.score("127.0.0.1:3001") <= 1
            assert pool.leases == frozenset()

    asyncio.run(live())
