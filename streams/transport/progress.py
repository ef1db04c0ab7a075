"""How far a partition is fetched, handed to an agent, and applied: what the watchdog looks at."""

from typing import NamedTuple

__all__ = ["PartitionProgress"]


class PartitionProgress(NamedTuple):
    """How far one partition is read and applied.

    Parameters
    ----------
    position
        Offset up to which it was fetched, None where it has no valid position.
    end
        Offset of the log's end, None where nothing was ever fetched.
    handed
        Offset up to which its records were handed to an agent, None before the first.
    applied
        Offset up to which its records were applied, None before the first.
    waits
        It has a reason not to move: an agent has a fold of it or is about to get one, its fetched records wait for
        their turn, it is paused by back-pressure, or it has no leader.
    """

    position: int | None
    end: int | None
    handed: int | None
    applied: int | None
    waits: bool

    @property
    def has_work(self) -> bool:
        """Whether there are records to fetch or to apply."""
        if self.position is None or self.end is None:
            return True
        handed_not_applied = self.handed is not None and (self.applied is None or self.applied < self.handed)
        return self.position < self.end or handed_not_applied

    def __str__(self) -> str:
        """How far it is, for a log line."""
        fetched = "no valid position" if self.position is None else f"fetched to {self.position}"
        return f"{fetched}, handed on to {self.handed}, applied to {self.applied}, log end {self.end}"
