"""The place of one process among those that one `halt400 worker` starts."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["GroupPlace"]


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """One process of a worker with several: a restarted process has the place of the one that crashed.

    Parameters
    ----------
    path
        In the directory of the worker, which is removed with it; its name is the process's.
    """

    path: Path

    @property
    def name(self) -> str:
        """Such as ``detect-2``, ``follow-up`` or ``api``."""
        return self.path.name

    @property
    def role(self) -> str:
        """``detect``, ``follow-up`` or ``api``."""
        return self.name.rstrip("-0123456789")

    @property
    def socket(self) -> Path:
        """Where the process gives its metrics."""
        return self.path.with_suffix(".sock")

    @property
    def number(self) -> str:
        """Its number where there are several of its role, else nothing."""
        return self.name[len(self.role) :]

    def instance_id(self, settled: str | None) -> str:
        """Its static name in the consumer group.

        With it, a process that crashed comes back to its own partitions, and the others go on meanwhile: without it
        the whole group waits until the session of the one that crashed has ended.

        Parameters
        ----------
        settled
            The name that is set for the worker; where it is None, the process leaves the group when it stops.
        """
        return f"{settled or self.path.parent.name}{self.number}"
