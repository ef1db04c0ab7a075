"""What the Faust manual suggests: an agent, a hopping table, one increment per event, the stock transport.

``python -m benchmarks naive_faust`` is started by the throughput benchmark, as a process of its own. It runs for a
bounded time, for at a few hundred events a second the whole log would take hours.
"""

import argparse
import asyncio
import json
import logging
import resource
import sys
import tempfile
import time
from typing import Any

import faust

from streams.processing.decoding import decode_counted
from streams.settings import load_settings

WINDOW_S, STEP_S = 300, 60


def main(arguments: list[str]) -> int:
    """Count for `--seconds` from the first event on; figures and counts go to standard output as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks naive_faust")
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    with tempfile.TemporaryDirectory() as directory:
        json.dump(asyncio.run(_count(given.topic, given.group, given.seconds, directory)), sys.stdout)
    return 0


async def _count(topic: str, group: str, seconds: float, directory: str) -> dict[str, Any]:
    kafka = load_settings().kafka
    app = faust.App(
        group,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        store="memory://",
        datadir=directory,
        topic_partitions=kafka.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        loop=asyncio.get_running_loop(),
    )
    responses = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    table = app.Table("counts", default=int)
    counts: Any = table.hopping(WINDOW_S, STEP_S)
    done = asyncio.Event()
    events, first_s, last_s, first_cpu_s = 0, 0.0, 0.0, 0.0

    @app.agent(responses)
    async def count(stream: Any) -> None:
        nonlocal events, first_s, last_s, first_cpu_s
        async for value in stream:
            event = decode_counted(value)
            counts[event.target] += 1
            events += 1
            last_s = time.monotonic()
            if events == 1:
                first_s, first_cpu_s = last_s, time.process_time()
            elif last_s - first_s >= seconds:
                done.set()
                return

    app.finalize()
    await app.start()
    try:
        await done.wait()
        cpu_s = time.process_time() - first_cpu_s
        increments = sum(table.data.values())
    finally:
        await app.stop()
    return {
        "events": events,
        "elapsed_s": last_s - first_s,
        "cpu_s": cpu_s,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "increments": increments,
        "changelog": table.changelog_topic.get_topic_name(),
    }
