"""The ledger of work done in parallel: nothing that was fetched is passed over, the first fold's beginning included."""

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


def ledger(durability: Watermarks) -> OrderedCompletion:
    def unused(_: Any) -> None:
        pytest.fail("nothing overflows")

    return OrderedCompletion(
        durability, capacity=10, pause=unused, resume=unused, on_failure=fail, start=durability.start
    )


async def test_the_first_fold_begins_where_reading_began() -> None:
    durability = Watermarks()
    durability.begin({TP_0: 7})
    found, work = ledger(durability), nothing()
    with pytest.raises(LostRecords, match="7 to 8"):
        found.add(TP_0, fold(9, 12), work)
    work.close()
    found.add(TP_0, fold(7, 12), nothing())
    await found.settle()
    await asyncio.sleep(0)
    assert durability.watermark(TP_0) == 12


async def test_a_gap_between_folds_is_found_and_what_is_read_again_is_none() -> None:
    found = ledger(Watermarks())
    found.add(TP_0, fold(0, 5), nothing())
    found.add(TP_0, fold(3, 8), nothing())
    work = nothing()
    with pytest.raises(LostRecords, match="8 to 8"):
        found.add(TP_0, fold(9, 12), work)
    work.close()
    await found.settle()
