"""How far each assigned partition has been fetched, handed to an agent, and applied."""

from typing import NamedTuple

__all__ = ["PartitionProgress"]


class PartitionProgress(NamedTuple):
    """How far one partition has been read and applied.

    Parameters
    ----------
    position
        Offset up to which it was fetched, None where it has no valid position.
    end
        Offset of the log's end, None where nothing was ever fetched.
    handed
        Offset up to which its records were handed to an agent, None where none were.
    done
        Offset up to which they were applied, None where none were.
    waits
        It has a reason not to move: a fold of it is on its way to the agent or in the agent's hands, what was
        fetched of it waits for its turn, back-pressure holds it back, or no broker leads it.
    """

    position: int | None
    end: int | None
    handed: int | None
    done: int | None
    waits: bool

    @property
    def has_work(self) -> bool:
        """Whether something is to be fetched or to be applied."""
        if self.position is None or self.end is None:
            return True
        return self.position < self.end or (self.handed is not None and (self.done is None or self.done < self.handed))

    def __str__(self) -> str:
        """Say how far it is."""
        fetched = "no valid position" if self.position is None else f"fetched to {self.position}"
        return f"{fetched}, handed on to {self.handed}, applied to {self.done}, log end {self.end}"
