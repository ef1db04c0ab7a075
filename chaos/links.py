"""A TCP proxy for one link that can be cut, delayed, or stopped in one direction."""

import asyncio
from contextlib import suppress
from typing import Literal

from streams.local.ports import HOST

__all__ = ["Link"]

CHUNK_BYTES = 64 * 1024
Direction = Literal["up", "down"]


class Link:
    """Listens on `port` and passes everything on to `to_port`, as far as its faults let it.

    Attributes
    ----------
    is_cut
        Connections are closed, and new ones are closed at once.
    stopped
        Directions in which nothing arrives: ``up`` is what clients send, ``down`` what they get. The sender sees
        nothing but silence.
    delay_s
        How much later everything arrives, in both directions.
    per_s
        Most bytes a second in each direction; 0 for no limit.
    """

    def __init__(self, port: int, to_port: int) -> None:
        self.port, self.to_port = port, to_port
        self.is_cut, self.delay_s, self.per_s = False, 0.0, 0
        self.stopped: set[Direction] = set()
        self._moved = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, backlog=256)

    async def stop(self) -> None:
        """Close all."""
        if self._server is not None:
            self._server.close()
        self._close_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Close every connection, and refuse new ones."""
        self.is_cut = True
        self._close_all()

    def heal(self) -> None:
        """End every fault; what was held back arrives."""
        self.is_cut, self.delay_s, self.per_s = False, 0.0, 0
        self.stopped.clear()
        self._moved.set()

    def _close_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.is_cut:
            writer.close()
            return
        self._tasks.add(task)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(HOST, self.to_port)
            ways = [
                asyncio.ensure_future(self._pump("up", reader, upstream)),
                asyncio.ensure_future(self._pump("down", answers, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    with suppress(OSError, RuntimeError):
                        end.close()

    async def _pump(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                while direction in self.stopped:
                    self._moved.clear()
                    await self._moved.wait()
                    if reader.exception() is not None:  # The sender reset the connection: its kernel sends no more.
                        return
                pause_s = self.delay_s + (len(data) / self.per_s if self.per_s else 0.0)
                if pause_s:
                    await asyncio.sleep(pause_s)
                writer.write(data)
                await writer.drain()
