"""A scraper: real gate, real publisher, and its own history, a JSON line for each thing that it did, in their order.

``python -m chaos.scraper_process HISTORY SEED NUMBER PER_S`` sends until SIGTERM, then flushes.
"""

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from chaos.history import GateEvent
from chaos.traffic import Planned, ScraperTraffic
from halt400 import Gate, Publisher, response_event
from halt400.kafka.connection import KafkaConnection
from halt400.records import Command

__all__ = ["ScraperProcess"]

STEP_S = 0.02
FLUSH_EVERY_S = 3.0
LAST_FLUSH_S = 60.0
BROKEN_BODY = '{"query": "{ product }", }'


class ScraperProcess:
    """One process of a crawl."""

    def __init__(self, history: Path, seed: int, number: int, per_s: float) -> None:
        connection = KafkaConnection.from_environment()
        self._gate, self._publisher = Gate(connection), Publisher(connection)
        self._traffic, self._number, self._per_s = ScraperTraffic(seed, number), number, per_s
        self._file = history.open("ab", buffering=1 << 16)
        self._encode = msgspec.json.Encoder().encode
        self._count = self._lost = 0
        self._born = int(time.time() * 1000)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop."""
        self._gate.on_change(self._note_command)
        async with self._publisher, self._gate:
            await self._gate.wait_caught_up(timeout_s=20.0)
            flushing = asyncio.create_task(self._flush_often())
            await self._send_until(stopping)
            flushing.cancel()
            await self._flush(LAST_FLUSH_S)
        self._file.close()

    async def _send_until(self, stopping: asyncio.Event) -> None:
        started, sent = time.monotonic(), 0
        while not stopping.is_set():
            due = int((time.monotonic() - started) * self._per_s)
            # After a pause of the whole process it goes on at its pace: it has no backlog.
            if due - sent > self._per_s:
                started, sent = time.monotonic(), 0
                continue
            for _ in range(due - sent):
                self._request(self._traffic.next())
            sent = due
            self._file.flush()
            await asyncio.sleep(STEP_S)

    def _request(self, planned: Planned) -> None:
        now_ms = int(time.time() * 1000)
        refused_by = self._gate.check(planned.target, planned.job_id)
        if refused_by is not None:
            if self._count % 20 == 0:
                self._write("refused", target=planned.target, job_id=planned.job_id, command_id=refused_by.command_id)
            return
        self._count += 1
        name, status = f"{self._born:x}-{self._number}-{self._count}", self._traffic.status(planned, now_ms)
        self._write("sent", now_ms, id=name, target=planned.target, job_id=planned.job_id, status=status)
        bad = status == 400
        self._publisher.publish(
            response_event(
                method="POST" if bad else "GET",
                url=f"https://{planned.target}/v2/products?n={self._count}",
                status=status,
                job_id=planned.job_id,
                target=planned.target,
                event_id=name,
                time_ms=now_ms,
                request_headers=[("Content-Type", "application/json")] if bad else (),
                request_body=BROKEN_BODY if bad else None,
            )
        )
        self._gate.report(planned.target, planned.job_id, status)

    def _note_command(self, command: Command) -> None:
        self._write(
            "command",
            scope_id=command.scope.id,
            command_id=command.command_id,
            sequence=command.sequence,
            state=command.state,
            issued_by=command.issued_by,
            expires_at=command.expires_at,
        )

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self._flush(FLUSH_EVERY_S)

    async def _flush(self, timeout_s: float) -> None:
        last = f"{self._born:x}-{self._number}-{self._count}"
        is_done = await self._publisher.flush(timeout_s)
        stats = self._publisher.stats
        lost = stats.dropped + stats.dropped_bad_requests + stats.rejected
        if lost != self._lost:
            self._lost = lost
            self._write("dropped")
        elif is_done and self._count:
            self._write("acknowledged", id=last)

    def _write(self, kind: str, at_ms: int | None = None, **fields: Any) -> None:
        at_ms = at_ms if at_ms is not None else int(time.time() * 1000)
        self._file.write(self._encode(GateEvent(kind=kind, at_ms=at_ms, gate=self._gate.name, **fields)) + b"\n")


async def main(arguments: list[str]) -> None:
    """Run one."""
    history, seed, number, per_s = arguments
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await ScraperProcess(Path(history), int(seed), int(number), float(per_s)).run(stopping)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
