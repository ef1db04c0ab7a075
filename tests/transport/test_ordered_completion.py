"""Work done in parallel and completed in order: no fetched record is passed over, not even before the first fold."""

import asyncio
from typing import Any

import pytest
from faust.types import TP

from streams.transport import Records, Watermarks
from streams.transport.fetcher import LostRecords
from streams.transport.ordered_completion import OrderedCompletion

TP_0 = TP("halt400.offences", 0)


def fold(start: int, end: int) -> Records:
    found = Records()
    found.start, found.end = start, end
    return found


async def nothing() -> None:
    """Work that is done at once."""


async def fail(error: BaseException) -> None:
    raise error


def completion_of(watermarks: Watermarks) -> OrderedCompletion:
    def unused(_: Any) -> None:
        pytest.fail("nothing overflows")

    return OrderedCompletion(
        watermarks, capacity=10, pause=unused, resume=unused, on_failure=fail, start_of=watermarks.start_of
    )


async def test_the_first_fold_starts_where_reading_started() -> None:
    watermarks = Watermarks()
    watermarks.set_starts({TP_0: 7})
    found, work = completion_of(watermarks), nothing()
    with pytest.raises(LostRecords, match="7 to 8"):
        found.add(TP_0, fold(9, 12), work)
    work.close()
    found.add(TP_0, fold(7, 12), nothing())
    await found.drain()
    await asyncio.sleep(0)
    assert watermarks.of(TP_0) == 12


async def test_a_gap_between_folds_is_found_and_a_repetition_is_none() -> None:
    found = completion_of(Watermarks())
    found.add(TP_0, fold(0, 5), nothing())
    found.add(TP_0, fold(3, 8), nothing())
    work = nothing()
    with pytest.raises(LostRecords, match="8 to 8"):
        found.add(TP_0, fold(9, 12), work)
    work.close()
    await found.drain()
