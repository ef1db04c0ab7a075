"""The assigned partitions of this process: the state of each, how far it is applied, and its open sends."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from faust.types import TP

from streams.processing.context import ProcessingContext
from streams.processing.partition import PartitionState
from streams.transport import DurableTable, Records, Watermarks

__all__ = ["Assignment", "DetectPartition", "InputTopics"]


class InputTopics(NamedTuple):
    """Full names of the topics that are read in folds."""

    responses: str
    operations: str


@dataclass(slots=True, eq=False)
class DetectPartition:
    """One partition number of both input topics.

    Attributes
    ----------
    ends
        The offset up to which each topic is applied.
    open_sends
        Done when the broker has the record: those of the records sent since the last checkpoint.
    """

    state: PartitionState
    ends: dict[TP, int] = field(default_factory=dict)
    open_sends: list[Awaitable[Any]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The partition's number."""
        return self.state.partition


class Assignment:
    """Creates the state of a partition from its recovered rows, and drops it when the partition is revoked.

    Parameters
    ----------
    table
        Has the recovered rows; the checkpoint writes the changed ones there.
    watermarks
        Know where reading started; the checkpoint raises them.

    Attributes
    ----------
    revocations
        How often partitions were revoked: where it has changed during an await, the assignment may be another.
    """

    def __init__(
        self, inputs: InputTopics, context: ProcessingContext, table: DurableTable, watermarks: Watermarks
    ) -> None:
        self.inputs, self.table, self.watermarks = inputs, table, watermarks
        self.revocations = 0
        self._context = context
        self._partitions: dict[int, DetectPartition] = {}

    @property
    def partitions(self) -> list[DetectPartition]:
        """The partitions that have a state, as of now."""
        return list(self._partitions.values())

    @property
    def states(self) -> Mapping[int, PartitionState]:
        """Their states by number."""
        return {number: partition.state for number, partition in self._partitions.items()}

    def get(self, number: int) -> DetectPartition | None:
        """The partition of a number, None where it has no state in this process."""
        return self._partitions.get(number)

    def is_current(self, partition: DetectPartition) -> bool:
        """Whether the partition was not revoked since it was created."""
        return self._partitions.get(partition.number) is partition

    def accept(self, topic: str, number: int, records: Records) -> DetectPartition | None:
        """The partition that a fold is about to be applied to; it counts as applied from here on.

        None where the partition was revoked while the fold waited: its next owner reads it. A state made of it here
        would be without the rows, and would be taken for the partition's when that comes back.

        Raises
        ------
        LostRecords
            Records are missing between this fold and the one before.
        """
        partition, tp = self._partitions.get(number), TP(topic, number)
        if partition is None:
            return None
        records.check_follows(partition.ends.get(tp, self.watermarks.start_of(tp)))
        partition.ends[tp] = records.end
        return partition

    def applied(self, tp: TP) -> int | None:
        """The offset up to which a partition of an input topic is applied, None before its first fold."""
        partition = self._partitions.get(tp.partition)
        return partition.ends.get(tp) if partition is not None else None

    def create_all(self, assigned: Iterable[TP]) -> None:
        """Create every assigned partition from its recovered rows: one without traffic has quarantines that end."""
        for tp in assigned:
            if tp.topic == self.inputs.responses and tp.partition not in self._partitions:
                rows = self.table.rows(tp.partition)
                state = PartitionState(self.inputs.responses, tp.partition, self._context, rows)
                self._partitions[tp.partition] = DetectPartition(state)

    def drop(self, revoked: set[TP]) -> None:
        """Forget revoked partitions with their rows and watermarks."""
        self.revocations += 1
        numbers = {tp.partition for tp in revoked if tp.topic in self.inputs}
        for number in numbers:
            self._partitions.pop(number, None)
        self.table.drop(numbers)
        self.watermarks.drop(revoked)
