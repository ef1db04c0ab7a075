"""One process of `benchmarks.sdk_fleet`: sends requests to one target after the other, to each until it is refused.

It prints one line of JSON when it has begun with a target, and one when it was refused.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import Any

import curl_cffi
import requests
from curl_cffi.requests.exceptions import HTTPError
from urllib3.util import Retry

from benchmarks.sdk_clients import CLIENTS
from halt400.errors import JobQuarantined
from halt400.guard import Guard, SyncGuard

PAUSE_S = 0.005
BAD_EVERY = 10


def _retry_400s(client: Any) -> None:
    """Tell a client that can retry by status to send each 400 twice again."""
    if isinstance(client, requests.Session):
        retries = Retry(2, status_forcelist=[400], allowed_methods=None, raise_on_status=False)
        client.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
    elif isinstance(client, curl_cffi.Session | curl_cffi.AsyncSession):
        client.retry, client.raise_for_status = curl_cffi.requests.RetryStrategy(count=2), True


async def run(name: str, url: str, rounds: int) -> None:
    """Send until each target is refused."""
    make, is_sync = CLIENTS[name]
    guard: Any = SyncGuard(job_id="fleet", local_hold=None) if is_sync else Guard(job_id="fleet", local_hold=None)
    if not is_sync:
        await guard.start()
    client, send = make(guard)
    _retry_400s(client)
    responses = 0
    for number in range(rounds):
        guard.target = f"shop-{number}"
        sent = 0
        while True:
            try:
                with suppress(HTTPError):  # curl_cffi tells a 400 so
                    answer = send(f"{url}/{'bad' if sent % BAD_EVERY == 2 else 'page'}?number={number}")
                    if asyncio.iscoroutine(answer):
                        await answer
            except JobQuarantined:
                told = {"refused": number, "at": time.time()}
                break
            sent += 1
            responses += 1
            if sent == 3:
                print(json.dumps({"begun": number}), flush=True)
            await asyncio.sleep(PAUSE_S)
        print(json.dumps(told | {"responses": sent}), flush=True)
    flushed = await asyncio.to_thread(guard.publisher.flush, 60.0) if is_sync else await guard.publisher.flush(60.0)
    print(json.dumps({"flushed": flushed, "published": guard.stats.published, "responses": responses}), flush=True)
    await (asyncio.to_thread(guard.close) if is_sync else guard.stop())
    close = getattr(client, "aclose", None) or getattr(client, "close", None) or client.cleanup
    if asyncio.iscoroutine(closing := close()):
        await closing


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
