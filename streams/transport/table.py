"""The Faust table whose writes are acknowledged by the broker, and whose rows are kept per partition."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from faust import Table
from faust.types import TP, EventT

from streams.transport.codec import PASS_THROUGH
from streams.transport.rebalance_log import RecoveryLog

__all__ = ["DurableTable"]

FOLDS_PER_BATCH = 4


class DurableTable(Table[bytes, bytes]):
    """A Faust table that recovers and moves as every table does, with three differences.

    Rows are kept per partition as the changelog's bytes, so that the rows of a revoked partition are dropped with it
    (Faust's memory store keeps them), and the changelog is read in folds too. `write` sends whole batches, and returns
    the broker's acknowledgements (Faust's `flush` can return with nothing sent). Of two values of one key in the
    changelog the one that `newer` chooses counts, not the later one, so that a stale member cannot put back an older
    row.

    Parameters
    ----------
    changelog_name
        Full name of the changelog topic.
    newer
        ``newer(found, candidate)``: whether the second value replaces the first.
    """

    def __init__(self, app: Any, *, changelog_name: str, newer: Callable[[bytes, bytes], bool], **options: Any) -> None:
        self._changelog_name = changelog_name
        self._newer = newer
        self._rows: dict[int, dict[bytes, bytes]] = {}
        self._recovery_log = RecoveryLog(changelog_name)
        super().__init__(app, recovery_buffer_size=FOLDS_PER_BATCH, **options)
        self.key_serializer, self.value_serializer = "raw", PASS_THROUGH

    def _changelog_topic_name(self) -> str:
        return self._changelog_name

    def rows(self, partition: int) -> dict[bytes, bytes]:
        """The recovered rows of a partition; the caller may remove rows from it."""
        return self._rows.setdefault(partition, {})

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget the rows of revoked partitions."""
        for partition in partitions:
            self._rows.pop(partition, None)

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Keep the rows that recovery reads from the changelog."""
        newer = self._newer
        for event in batch:
            rows = self.rows(event.message.partition)
            for record in cast(list[Any], event.message.value):
                key, value = record.key, record.value
                if value is None:
                    rows.pop(key, None)
                elif (found := rows.get(key)) is None or newer(found, value):
                    rows[key] = value

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Recover every assigned partition from the start of its changelog.

        Faust goes on from where it stopped; but another worker may have written a partition that was revoked and
        assigned again within one generation.
        """
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        self._rows.clear()
        cast(Any, self.app.tables).recovery.active_offsets.clear()
        self._recovery_log.begin(sum(tp.topic == self._changelog_name for tp in assigned))

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Log the number of rows: Faust says in one line of its own that a recovery is complete, without numbers."""
        self._recovery_log.end(sum(len(rows) for rows in self._rows.values()))
        await super().on_recovery_completed(active_tps, standby_tps)

    async def write(self, partition: int, rows: Iterable[tuple[bytes, bytes]]) -> list[Awaitable[Any]]:
        """Send rows (key and value) of a partition to the changelog, in their order, in as few batches as they fill.

        Returns
        -------
        list of Awaitable
            One for each batch, done when the broker has acknowledged its rows; an error means that it has them not.
        """
        producer = cast(Any, self.app.producer)._ensure_producer()
        sent: list[Awaitable[Any]] = []
        batch = producer.create_batch()

        async def send() -> None:
            batch.close()
            sent.append(await producer.send_batch(batch, self._changelog_name, partition=partition))

        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=None) is None:
                await send()
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            await send()
        return sent
