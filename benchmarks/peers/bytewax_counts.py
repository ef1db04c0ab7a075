"""Bytewax counts responses and 400s in windows of 5 minutes that slide by one, over the whole log.

As its documentation says: event-time windows, keyed by target, batches of 1,000 from Kafka. No recovery store: what is
counted is not kept over a crash.
"""

import argparse
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main
from confluent_kafka import OFFSET_BEGINNING
from event import CountedByPeer, decode_for_peer, print_peer_report

Counts = tuple[int, int]


def _time_of(event: CountedByPeer) -> datetime:
    return datetime.fromtimestamp(event.time / 1000, UTC)


def _fold(counts: Counts, event: CountedByPeer) -> Counts:
    return counts[0] + 1, counts[1] + (event.response.status == 400)


def _merge(one: Counts, other: Counts) -> Counts:
    return one[0] + other[0], one[1] + other[1]


def main() -> None:
    """Count the log; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True)
    given = parser.parse_args()
    first: tuple[float, float] | None = None
    seen: Counter[str] = Counter()

    def decode(message: Any) -> tuple[str, CountedByPeer]:
        nonlocal first
        if first is None:
            first = time.monotonic(), time.process_time()
        event = decode_for_peer(message.value)
        seen[event.target] += 1
        return event.target, event

    flow = Dataflow("windowed_counts")
    source = KafkaSource([given.servers], [given.topic], tail=False, starting_offset=OFFSET_BEGINNING, batch_size=1000)
    events = op.map("decode", op.input("responses", flow, source), decode)
    # Its watermark moves on with the system's clock too: a log that is read slower than it was written has late events.
    clock = win.EventClock(_time_of, wait_for_system_duration=timedelta(hours=1))
    windower = win.SlidingWindower(
        length=timedelta(minutes=5), offset=timedelta(minutes=1), align_to=datetime(2025, 1, 1, tzinfo=UTC)
    )
    counted = win.fold_window("count", events, clock, windower, lambda: (0, 0), _fold, _merge)
    windows: list[tuple[str, tuple[int, Counts]]] = []
    op.output("windows", counted.down, TestingSink(windows))
    run_main(flow)
    assert first is not None
    increments: Counter[str] = Counter()
    for target, (_, counts) in windows:
        increments[target] += counts[0]
    print_peer_report(seen, increments, first)


if __name__ == "__main__":
    main()
