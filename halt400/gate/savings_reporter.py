"""What a gate has spared the fleet: requests that it did not send, counted by quarantine and told on `savings`.

A count is the gate's whole count of one quarantine, so a report that is lost, or sent twice, makes no difference once
the next one is there. A process that dies takes what it counted since its last report along: what is told is the least.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from halt400.errors import Halt400Error
from halt400.kafka.record_sender import RecordSender
from halt400.records import Command, Savings, Scope

__all__ = ["SavingsReporter", "savings_key"]

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 5.0
LONGEST_INTERVAL_S = 300.0
LAST_REPORT_WITHIN_S = 2.0
"""A scraper that ends waits no longer than this for its last report."""

_encode = msgspec.json.Encoder().encode


def savings_key(savings: Savings) -> bytes:
    """The key on `savings`: one gate's count of one quarantine.

    Examples
    --------
    >>> scope = Scope(kind="job", target="api.shop.example", job_id="extract-099")
    >>> savings_key(Savings(gate="gate/host/17/0a", scope=scope, opened_at=1000, requests=3, time=2000))
    b'gate/host/17/0a 1000 job/api.shop.example/extract-099'
    """
    return f"{savings.gate} {savings.opened_at} {savings.scope.id}".encode(errors="replace")


class _Tally:
    """One quarantine's count, and how much of it was told."""

    __slots__ = ("opened_at", "requests", "scope", "told")

    def __init__(self, command: Command) -> None:
        self.scope: Scope = command.scope
        self.opened_at = command.opened_at
        self.requests = self.told = 0


class SavingsReporter:
    """Counts for one gate, from any thread, and reports every few seconds what has changed.

    Parameters
    ----------
    gate
        The gate's name, which no other gate has.
    topic
        Full name of `savings`.
    """

    def __init__(
        self,
        gate: str,
        sender: RecordSender,
        topic: str,
        *,
        clock_ms: Callable[[], float],
        interval_s: float = REPORT_INTERVAL_S,
    ) -> None:
        self._gate, self._sender, self._topic = gate, sender, topic
        self._clock_ms, self._interval_s = clock_ms, interval_s
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, command: Command, requests: int) -> None:
        """Count requests that were not sent because of `command`."""
        key = command.scope.id, command.opened_at
        tally = self._tallies.get(key)
        if tally is None:
            # Of two threads that come first with one quarantine both get the same tally.
            tally = self._tallies.setdefault(key, _Tally(command))
        tally.requests += requests

    def by_scope(self) -> Mapping[str, int]:
        """How many requests were not sent, by scope id, over all of its quarantines."""
        found: dict[str, int] = {}
        for (scope_id, _), tally in list(self._tallies.items()):
            found[scope_id] = found.get(scope_id, 0) + tally.requests
        return found

    def start(self) -> None:
        """Begin to report, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="halt400-savings")

    def hurry(self) -> None:
        """Report at once: a quarantine is over, and people are told what it saved. In the event loop only."""
        self._hurry.set()

    async def stop(self) -> None:
        """Report what is left, unless that takes long, and stop."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(Halt400Error, TimeoutError):
            async with asyncio.timeout(LAST_REPORT_WITHIN_S):
                await self._report()

    async def _run(self) -> None:
        wait_s, is_told = self._interval_s, False
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait_s)
            self._hurry.clear()
            try:
                await self._report()
                wait_s, is_told = self._interval_s, False
            except Halt400Error as error:
                # The same trouble is told once, not at every attempt.
                if not is_told:
                    log.warning("What was not sent is counted and cannot be told: %s Trying on.", error)
                wait_s, is_told = min(2 * wait_s, LONGEST_INTERVAL_S), True

    async def _report(self) -> None:
        counts = [(tally, tally.requests) for tally in list(self._tallies.values()) if tally.requests != tally.told]
        if not counts:
            return
        now_ms = int(self._clock_ms())
        found = [
            Savings(gate=self._gate, scope=tally.scope, opened_at=tally.opened_at, requests=requests, time=now_ms)
            for tally, requests in counts
        ]
        await self._sender.send(self._topic, [(savings_key(savings), _encode(savings)) for savings in found])
        for tally, requests in counts:
            tally.told = requests
