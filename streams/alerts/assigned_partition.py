"""One partition of `control` in this process: its incidents, when each is due, and the deliveries that run."""

import asyncio

from streams.alerts.incidents import Incidents

__all__ = ["AssignedPartition"]


class AssignedPartition:
    """A partition that is assigned to this process and loaded.

    Attributes
    ----------
    lock
        Held while changed rows are handed to the producer, so that they are written in order.
    due : dict of str to int
        When each incident must be looked at next, in milliseconds since the epoch.
    deliveries : dict
        The running deliveries by incident and sink.
    revoked : bool
        Whether the partition was revoked; what still runs then must not change it.
    """

    def __init__(self, incidents: Incidents, now_ms: int) -> None:
        self.incidents = incidents
        self.lock = asyncio.Lock()
        self.due: dict[str, int] = dict.fromkeys(incidents.by_key, now_ms)
        self.deliveries: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.revoked = False

    @property
    def number(self) -> int:
        """The partition's number."""
        return self.incidents.partition

    def revoke(self) -> None:
        """Cancel the deliveries; the next owner goes on from the rows."""
        self.revoked = True
        for task in list(self.deliveries.values()):
            task.cancel()
