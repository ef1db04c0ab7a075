"""One process of `benchmarks.sdk_fleet`: sends requests to one target after the other, to each until it is refused.

It prints one line of JSON when it has begun with a target, and one when it was refused.
"""

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import curl_cffi
import requests
from curl_cffi.requests.exceptions import HTTPError
from urllib3.util import Retry

from benchmarks.sdk_clients import CLIENTS
from halt400.errors import JobQuarantined
from halt400.guard import Guard, SyncGuard
from halt400.records import Command

__all__ = ["MOST_TOLD", "Pace", "end_with_parent", "path_of", "tell"]

BAD_EVERY = 10
MOST_TOLD = 50
"""Requests, the last to a target, of which is told when they were begun."""


def tell(**what: object) -> None:
    """Tell the benchmark."""
    print(json.dumps(what), flush=True)


def end_with_parent() -> None:
    """End this process when its parent ends, however that ends: its standard input is closed then."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def path_of(sent: int) -> str:
    """The path of the next request to a target that was sent so many: the third and each tenth after it get a 400."""
    return "bad" if sent % BAD_EVERY == 2 else "page"


class Pace:
    """Waits until the next request is due, so that they are sent at a steady rate."""

    def __init__(self, rate: float) -> None:
        self._pause_s, self._due = 1 / rate, time.monotonic()

    async def wait(self) -> None:
        """Wait for the next request; one that is late is sent at once, and the others are not hurried by it."""
        self._due = max(self._due + self._pause_s, time.monotonic())
        await asyncio.sleep(self._due - time.monotonic())


def _retry_400s(client: Any) -> None:
    """Tell a client that can retry by status to send each 400 twice again."""
    if isinstance(client, requests.Session):
        retries = Retry(2, status_forcelist=[400], allowed_methods=None, raise_on_status=False)
        client.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
    elif isinstance(client, curl_cffi.Session | curl_cffi.AsyncSession):
        client.retry, client.raise_for_status = curl_cffi.requests.RetryStrategy(count=2), True


async def _send_until_refused(send: Any, url: str, number: int, least: int, pace: Pace) -> tuple[int, list[float]]:
    """Send to one target; return how many requests were answered, and when the last were begun, the refused one too."""
    sent, begun_at = 0, deque[float](maxlen=MOST_TOLD)
    while True:
        await pace.wait()
        begun_at.append(time.time())
        try:
            with suppress(HTTPError):  # curl_cffi tells a 400 so
                answer = send(f"{url}/{path_of(sent)}?number={number}")
                if asyncio.iscoroutine(answer):
                    await answer
        except JobQuarantined:
            return sent, list(begun_at)
        sent += 1
        if sent == least:
            tell(begun=number)


async def run(name: str, url: str, rounds: int, least: int, rate: float) -> None:
    """Send until each target is refused."""
    logging.disable(logging.WARNING)  # Playwright's integration tells of each refusal
    make, is_sync = CLIENTS[name]
    guard: Any = SyncGuard(job_id="fleet", local_hold=None) if is_sync else Guard(job_id="fleet", local_hold=None)
    known_at: dict[str, float] = {}

    def learn(command: Command) -> None:
        known_at[command.scope.target] = time.time()

    guard.gate.on_change(learn)
    if not is_sync:
        await guard.start()
    client, send = make(guard)
    if name == "playwright":
        send = client.fetch  # a navigation takes ten times the processor time of a request
    _retry_400s(client)
    tell(begun=-1)
    responses, pace = 0, Pace(rate)
    for number in range(rounds):
        guard.target = f"shop-{number}.example"
        sent, begun_at = await _send_until_refused(send, url, number, least, pace)
        responses, refused_at = responses + sent, time.time()
        # Another thread may refuse a moment before it calls who listens.
        tell(refused=number, known_at=known_at.get(guard.target, refused_at), at=refused_at, begun_at=begun_at)
    for _ in range(1_000):  # a browser may tell of its last responses later than its page has them
        if guard.stats.published >= responses:
            break
        await asyncio.sleep(0.01)
    flushed = await asyncio.to_thread(guard.publisher.flush, 60.0) if is_sync else await guard.publisher.flush(60.0)
    tell(flushed=flushed, published=guard.stats.published, responses=responses)
    await (asyncio.to_thread(guard.close) if is_sync else guard.stop())
    close = getattr(client, "aclose", None) or getattr(client, "close", None) or client.cleanup
    if asyncio.iscoroutine(closing := close()):
        await closing


if __name__ == "__main__":
    end_with_parent()
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
