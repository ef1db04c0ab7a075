"""Counts the requests that a gate did not send, by quarantine, and reports the counts on the topic `savings`.

A report has the gate's whole count of one quarantine, so a lost or repeated report is corrected by the next one. What
a process counted after its last report is lost when it is killed: the reported counts are lower bounds.
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
"""Longest wait for the last report when the gate stops."""

_encode = msgspec.json.Encoder().encode


def savings_key(savings: Savings) -> bytes:
    """Key of a record of `savings`: gate and quarantine.

    Examples
    --------
    >>> scope = Scope(kind="job", target="api.shop.example", job_id="extract-099")
    >>> savings_key(Savings(gate="gate/host/17/0a", scope=scope, opened_at=1000, requests=3, time=2000))
    b'gate/host/17/0a 1000 job/api.shop.example/extract-099'
    """
    return f"{savings.gate} {savings.opened_at} {savings.scope.id}".encode(errors="replace")


class _Count:
    """Requests of one quarantine that were not sent, their bytes, and how many of them were reported."""

    __slots__ = ("opened_at", "reported", "request_bytes", "requests", "scope")

    def __init__(self, command: Command) -> None:
        self.scope: Scope = command.scope
        self.opened_at = command.opened_at
        self.requests = self.reported = self.request_bytes = 0


class SavingsReporter:
    """Counts for one gate, from any thread, and reports every few seconds the counts that changed.

    Parameters
    ----------
    gate
        Name of the gate, which no other gate has.
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
        self._counts: dict[tuple[str, int], _Count] = {}
        self._report_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, command: Command, requests: int, request_bytes: int = 0) -> None:
        """Count requests that were not sent because of `command`, and their bytes where they are known."""
        key = command.scope.id, command.opened_at
        count = self._counts.get(key)
        if count is None:
            # Two threads with the first request of one quarantine must get the same object.
            count = self._counts.setdefault(key, _Count(command))
        count.requests += requests
        count.request_bytes += request_bytes

    def by_scope(self) -> Mapping[str, int]:
        """How many requests were not sent, by scope id, in all of its quarantines."""
        found: dict[str, int] = {}
        for (scope_id, _), count in list(self._counts.items()):
            found[scope_id] = found.get(scope_id, 0) + count.requests
        return found

    def start(self) -> None:
        """Start to report, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="halt400-savings")

    def report_now(self) -> None:
        """Report without waiting for the interval, as when a quarantine ends; in the event loop only."""
        self._report_now.set()

    async def stop(self) -> None:
        """Stop, after a last report of at most two seconds."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(Halt400Error, TimeoutError):
            async with asyncio.timeout(LAST_REPORT_WITHIN_S):
                await self._report()

    async def _run(self) -> None:
        wait_s, is_logged = self._interval_s, False
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._report_now.wait(), wait_s)
            self._report_now.clear()
            try:
                await self._report()
                wait_s, is_logged = self._interval_s, False
            except Halt400Error as error:
                # Logged once per outage.
                if not is_logged:
                    log.warning("Counts of requests not sent could not be reported, and are reported later: %s", error)
                wait_s, is_logged = min(2 * wait_s, LONGEST_INTERVAL_S), True

    async def _report(self) -> None:
        counts = [(count, count.requests) for count in list(self._counts.values()) if count.requests != count.reported]
        if not counts:
            return
        now_ms = int(self._clock_ms())
        found = [
            Savings(
                gate=self._gate,
                scope=count.scope,
                opened_at=count.opened_at,
                requests=requests,
                time=now_ms,
                request_bytes=count.request_bytes,
            )
            for count, requests in counts
        ]
        await self._sender.send(self._topic, [(savings_key(savings), _encode(savings)) for savings in found])
        for count, requests in counts:
            count.reported = requests
