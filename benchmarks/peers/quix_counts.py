"""Quix Streams counts responses and 400s in windows of 5 minutes that hop by one, for a bounded time.

As its documentation says for throughput: state in RocksDB with changelog topics, a checkpoint each second, librdkafka's
fetch sizes raised.
"""

import argparse
import tempfile
import time
from collections import Counter
from typing import Any

from event import CountedByPeer, decode_for_peer, print_peer_report
from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum
from quixstreams.models import Deserializer


class _EventDeserializer(Deserializer):
    def __call__(self, value: bytes, ctx: Any) -> CountedByPeer:
        return decode_for_peer(value)


def main() -> None:
    """Count for `--seconds` from the first event on; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    seen: Counter[bytes] = Counter()
    windows: dict[tuple[bytes, int], int] = {}
    first: tuple[float, float] | None = None

    with tempfile.TemporaryDirectory() as directory:
        app = Application(
            broker_address=given.servers,
            consumer_group=given.group,
            auto_offset_reset="earliest",
            commit_interval=1.0,
            state_dir=directory,
            loglevel="ERROR",
            consumer_extra_config={"max.partition.fetch.bytes": 4 << 20, "fetch.message.max.bytes": 4 << 20},
        )
        topic = app.topic(
            given.topic,
            key_deserializer="bytes",
            value_deserializer=_EventDeserializer(),
            timestamp_extractor=lambda value, *_: value.time,
        )

        def note(_value: Any, key: bytes, *_: Any) -> None:
            nonlocal first
            now = time.monotonic()
            if first is None:
                first = now, time.process_time()
            elif now - first[0] >= given.seconds:
                app.stop()
            seen[key] += 1

        def keep(value: dict[str, int], key: bytes, *_: Any) -> None:
            windows[key, value["start"]] = value["responses"]

        counted = app.dataframe(topic).update(note, metadata=True)
        counted = counted.apply(lambda event: int(event.response.status == 400))
        counted = counted.hopping_window(300_000, 60_000, grace_ms=60_000)
        counted = counted.agg(responses=Count(), bad_requests=Sum()).current()
        counted.update(keep, metadata=True)
        app.run()
    assert first is not None
    increments: Counter[bytes] = Counter()
    for (key, _), count in windows.items():
        increments[key] += count
    print_peer_report(seen, increments, first)


if __name__ == "__main__":
    main()
