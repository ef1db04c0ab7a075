"""The yardstick: a bare aiokafka consumer that decodes every event as the worker does and counts per target.

``python -m benchmarks bare_consumer`` is started by the throughput benchmark, as a process of its own. It uses the
worker's fetch sizes and garbage-collector settings, and commits five times as often, so that its end is seen at once.
"""

import argparse
import asyncio
import gc
import json
import signal
import sys
import time

from aiokafka import AIOKafkaConsumer

from streams.processing.decoding import decode_counted, decode_event
from streams.settings import load_settings

COMMIT_INTERVAL_S = 0.2


def main(arguments: list[str]) -> int:
    """Count `--events` events of a topic; the counts go to standard output as JSON; SIGTERM ends it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks bare_consumer")
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True)
    given = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    gc.set_threshold(100_000, 50, 100)
    by_target, bad_requests = asyncio.run(_count(given.topic, given.group, given.events))
    json.dump({"by_target": by_target, "bad_requests": bad_requests}, sys.stdout)
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM})  # it is measured before it ends
    return 0


async def _count(topic: str, group: str, events: int) -> tuple[dict[str, int], int]:
    settings = load_settings()
    consumer = AIOKafkaConsumer(
        topic,
        **settings.kafka.connection.client_options(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=2 * 1024 * 1024,  # as streams.transport.fetcher, which would load Faust
        max_partition_fetch_bytes=1024 * 1024,
        max_poll_records=settings.worker.poll_records,
    )
    by_target: dict[str, int] = {}
    seen = bad_requests = 0
    await consumer.start()
    try:
        commit_at_s = time.monotonic() + COMMIT_INTERVAL_S
        while seen < events:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                seen += len(records)
                for record in records:
                    event = decode_counted(record.value)
                    target = event.target
                    by_target[target] = by_target.get(target, 0) + 1
                    if event.response.status == 400:
                        decode_event(record.value)
                        bad_requests += 1
            if time.monotonic() >= commit_at_s:
                await consumer.commit()
                commit_at_s = time.monotonic() + COMMIT_INTERVAL_S
        await consumer.commit()
    finally:
        await consumer.stop()
    return by_target, bad_requests
