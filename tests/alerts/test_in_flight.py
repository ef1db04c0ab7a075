"""What is in flight is waited for, a pause between two attempts is not."""

import asyncio

import pytest

from streams.alerts.in_flight import InFlight


async def test_nothing_in_flight_is_drained_at_once() -> None:
    await asyncio.wait_for(InFlight().drain(60), 5)


async def test_drain_waits_for_every_block_and_not_beyond_its_time() -> None:
    in_flight = InFlight()
    with in_flight, in_flight:
        draining = asyncio.create_task(in_flight.drain(60))
        await in_flight.drain(0.01)
        assert not draining.done()
    await asyncio.wait_for(draining, 5)


async def test_a_pause_is_not_in_flight_and_the_block_is_again_after_it() -> None:
    in_flight, woken = InFlight(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        await woken.wait()

    async def attempt() -> None:
        with in_flight:
            await in_flight.pause(60, sleep)
            await asyncio.Event().wait()

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    await asyncio.wait_for(in_flight.drain(60), 5)
    woken.set()
    await asyncio.sleep(0)
    draining = asyncio.create_task(in_flight.drain(60))
    await asyncio.sleep(0)
    assert not draining.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(draining, 5)
