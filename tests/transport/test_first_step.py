"""A coroutine that is begun without a task."""

import asyncio

import pytest

from streams.transport.first_step import BegunCoroutine


async def test_what_need_not_wait_has_ended_when_it_is_begun() -> None:
    async def deliver() -> int:
        return 400

    begun = BegunCoroutine(deliver())
    assert (begun.ended, begun.result, await begun.finish()) == (True, 400, 400)


async def test_what_waits_goes_on_where_it_is_awaited() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def deliver() -> int:
        await first.wait()
        await second.wait()
        return 400

    begun = BegunCoroutine(deliver())
    assert not begun.ended
    finishing = asyncio.create_task(begun.finish())
    first.set()
    await asyncio.sleep(0)
    second.set()
    assert await finishing == 400


async def test_a_cancellation_and_an_error_come_to_where_it_waits() -> None:
    stopped = []

    async def deliver() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append("cancelled")
            raise

    finishing = asyncio.create_task(BegunCoroutine(deliver()).finish())
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert stopped == ["cancelled"]

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("the fold")

    with pytest.raises(ValueError, match="the fold"):
        await BegunCoroutine(fail()).finish()
