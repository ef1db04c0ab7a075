"""Callbacks and queues that receive the commands that change a scope."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from halt400.records import Command

__all__ = ["Listeners"]

log = logging.getLogger(__name__)


class Listeners:
    """Passes each command on, in the gate's event loop."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Command], None]] = []
        self._queues: list[asyncio.Queue[Command]] = []

    def add(self, callback: Callable[[Command], None]) -> None:
        """Call `callback` with each command from now on."""
        self._callbacks.append(callback)

    def inherit(self, parents: "Listeners") -> None:
        """Call whom the listeners of the parent process called; its queues are of its own loop."""
        self._callbacks += parents._callbacks

    @contextmanager
    def queue(self) -> Iterator[asyncio.Queue[Command]]:
        """Return a queue that receives each command until the block ends."""
        queue: asyncio.Queue[Command] = asyncio.Queue()
        self._queues.append(queue)
        try:
            yield queue
        finally:
            self._queues.remove(queue)

    def pass_on(self, command: Command) -> None:
        """Put `command` into every queue and call every callback with it."""
        for queue in self._queues:
            queue.put_nowait(command)
        for callback in self._callbacks:
            try:
                callback(command)
            except Exception:
                # It is the scraper's code: an error in it must not stop the gate.
                log.exception("A callback of the gate failed for %s.", command.scope.id)
