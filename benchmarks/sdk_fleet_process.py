"""One process of `benchmarks.sdk_fleet`: sends requests to one target after the other, to each until it is refused.

It prints one line of JSON when it has begun with a target, and one when it was refused.
"""

import asyncio
import json
import sys
import time
from typing import Any

from benchmarks.sdk_clients import CLIENTS
from halt400.errors import JobQuarantined
from halt400.guard import Guard, SyncGuard

PAUSE_S = 0.005
BAD_EVERY = 10


async def run(name: str, url: str, rounds: int) -> None:
    """Send until each target is refused."""
    make, is_sync = CLIENTS[name]
    guard: Any = SyncGuard(job_id="fleet", local_hold=None) if is_sync else Guard(job_id="fleet", local_hold=None)
    if not is_sync:
        await guard.start()
    _, send = make(guard)
    responses = 0
    for number in range(rounds):
        guard.target = f"shop-{number}"
        sent = 0
        while True:
            try:
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


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
