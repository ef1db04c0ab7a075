"""One listener of the event stream: what waits to be sent to it, bounded."""

import asyncio
from collections import deque

from msgspec import Struct

__all__ = ["Interest", "Listener"]

MOST_WAITING = 32
MOST_WAITING_BYTES = 1 << 20


class Interest(Struct, frozen=True, kw_only=True):
    """Which events a listener wants: some kinds, or all where there are none; of one target, or of all."""

    kinds: frozenset[str] = frozenset()
    target: str | None = None


class Listener:
    """Chunks of the stream that wait for a client; one that does not read loses them and is told to reload.

    Parameters
    ----------
    reload
        The chunk that tells the client to read everything anew.
    """

    def __init__(self, interest: Interest, reload: bytes) -> None:
        self.interest, self._reload = interest, reload
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self.closed = False

    def put(self, chunk: bytes) -> None:
        """Add a chunk; where too much waits, all of it is replaced with the reload."""
        if len(self._waiting) >= MOST_WAITING or self._bytes + len(chunk) > MOST_WAITING_BYTES:
            self._waiting.clear()
            self._bytes, chunk = 0, self._reload
        self._waiting.append(chunk)
        self._bytes += len(chunk)
        self._ready.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._ready.set()

    async def next(self) -> bytes | None:
        """Return what waits, as one chunk; None at the end of the stream."""
        await self._ready.wait()
        if self.closed:
            return None
        chunk = b"".join(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._ready.clear()
        return chunk
