"""Waiting for a condition with a deadline, in tests that are coroutines; `tests.local.waiting` is for the others."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["until"]


async def until(
    condition: Callable[[], Any],
    deadline_s: float = 90.0,
    *,
    hopeless: Callable[[], bool] = lambda: False,
    explain: Callable[[], str] | None = None,
    passes: bool = False,
) -> Any:
    """Wait for a condition (or an awaitable one) to hold, and return what it gave.

    Parameters
    ----------
    hopeless
        Ends the wait before its deadline.
    explain
        What to say when it did not hold in time; the condition's name unless given.
    passes
        Whether it holds for a moment only: it is asked at each turn of the loop.
    """
    now = asyncio.get_running_loop().time
    started = now()
    end = started + deadline_s
    while True:
        asked_at = now()
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if hopeless() or now() > end:
            pytest.fail(f"not within {deadline_s} s: {explain() if explain is not None else condition}")
        # What takes long is asked less often, and so is a question that takes long: what it asks about is to run.
        await asyncio.sleep(0.0 if passes else max(0.05, (now() - started) / 20, 2.0 * (now() - asked_at)))
