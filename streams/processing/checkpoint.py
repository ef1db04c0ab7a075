"""The checkpoint: it makes durable all that was applied, and then raises the watermarks.

1. Of one partition after the other, while no fold is being applied: take its open sends, its changed rows, and the
   offsets up to which it is applied. A row is encoded here, so it includes exactly the records whose sends are taken
   with it.
2. Wait until the broker has acknowledged the sends: commands, offences, findings, dead letters, grant requests.
3. Send the rows to the changelog.
4. Wait until the broker has acknowledged the rows.
5. Raise the watermarks to the offsets of step 1.

A partition that is revoked meanwhile is left out of steps 3 to 5. Why counts are exact in this order, and in no other:
docs/adr/0001-exact-counting-without-transactions.md.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, NamedTuple

from faust.types import TP

from streams import metrics
from streams.processing.assignment import Assignment, DetectPartition
from streams.transport import StaleSend

__all__ = ["Checkpoint"]


class _Taken(NamedTuple):
    partition: DetectPartition
    sends: list[Awaitable[Any]]
    rows: list[tuple[bytes, bytes]]
    ends: dict[TP, int]


class Checkpoint:
    """Runs the checkpoints of an assignment, one at a time.

    Parameters
    ----------
    applying
        Locked while a fold is applied and its outcome is sent.
    """

    def __init__(self, assignment: Assignment, applying: asyncio.Lock) -> None:
        self._assignment, self._applying = assignment, applying
        self._running = asyncio.Lock()

    async def run(self) -> None:
        """Run one; the steps are those of the module's docstring.

        Raises
        ------
        Exception
            The broker did not take a record. No watermark was raised, so the process must end: the next one reads the
            same records again.
        """
        async with self._running:
            taken = await self._take_each()  # 1
            started = time.monotonic()
            try:
                await asyncio.gather(*(send for one in taken for send in one.sends))  # 2
                await asyncio.gather(*(await self._send_rows(taken)))  # 3, 4
            except StaleSend:
                if any(self._assignment.is_current(one.partition) for one in taken):
                    raise
                return  # all partitions have moved, and come with another state where they come back
            self._raise_watermarks(taken)  # 5
            if rows := sum(len(one.rows) for one in taken if self._assignment.is_current(one.partition)):
                metrics.ROWS.inc(rows)
                metrics.FLUSH_SECONDS.observe(time.monotonic() - started)

    async def _take_each(self) -> list[_Taken]:
        """Take one partition after the other; folds are applied between: a 400 would wait for all rows' encoding."""
        taken = []
        for partition in self._assignment.partitions:
            async with self._applying:
                if self._assignment.is_current(partition):
                    taken.append(_take(partition))
            await asyncio.sleep(0)
        return taken

    async def _send_rows(self, taken: list[_Taken]) -> list[Awaitable[Any]]:
        sent: list[Awaitable[Any]] = []
        for one in taken:
            if one.rows and self._assignment.is_current(one.partition):
                sent += await self._assignment.table.write(one.partition.number, one.rows)
        return sent

    def _raise_watermarks(self, taken: list[_Taken]) -> None:
        for one in taken:
            if self._assignment.is_current(one.partition):
                for tp, end in one.ends.items():
                    self._assignment.watermarks.advance(tp, end)


def _take(partition: DetectPartition) -> _Taken:
    sends, partition.open_sends = partition.open_sends, []
    return _Taken(partition, sends, partition.state.take_changed(), dict(partition.ends))
