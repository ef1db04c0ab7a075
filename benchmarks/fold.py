"""What an event costs between the bytes of a fetch and the row: ``python -m benchmarks fold``, without Kafka.

The record batches of a log, as a broker would answer with them, are parsed and applied in folds, in one process: record
by record as aiokafka and Python do, and packed, as the native extension counts them; each event in a record of its own,
and in envelopes of 64 KiB. Both ways in turn, on new partitions each time; what they come to must be equal.
"""

import argparse
import gc
import time
from collections.abc import Iterable, Iterator
from functools import partial

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from benchmarks.events import generate
from benchmarks.preload import BATCH_BYTES, ENVELOPE_BYTES
from streams.detection import Policies
from streams.packed import PackedRecords
from streams.processing.build_context import build_context
from streams.processing.partition import PartitionState
from streams.settings import load_settings
from streams.topics import partition_of
from streams.transport.packing import KeptRecords, keep_batches

__all__ = ["main"]

PARTITIONS = 4
NOW_MS = 1_760_000_060_000
BATCHES_IN_FOLD = 2
FOLDS_BETWEEN_ROWS = 20

Logs = list[list[bytes]]
"""The record batches of each partition."""


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where the extension is not built."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fold", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bad-request-ratio", type=float, default=0.005, help="share of 400s (0.005)")
    given = parser.parse_args(arguments)
    if not keep_batches():
        print("The native extension is not built: python hatch_build.py")
        return 1
    gc.set_threshold(100_000, 50, 100)
    for name, envelopes in (("single records", False), ("envelopes", True)):
        logs = _logs(given.events, given.bad_request_ratio, envelopes=envelopes)
        least = {False: float("inf"), True: float("inf")}
        for _ in range(given.rounds):
            totals = {}
            for packed in least:
                seconds, totals[packed] = _measure(logs, packed=packed)
                least[packed] = min(least[packed], seconds * 1e6 / given.events)
            assert totals[True] == totals[False], "the two ways count otherwise"
        print(f"{name}: {least[False]:.2f} us CPU an event in Python, {least[True]:.2f} with the native extension")
    return 0


def _logs(events: int, bad_request_ratio: float, *, envelopes: bool) -> Logs:
    values: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(PARTITIONS)]
    for event in generate(events, bad_request_ratio=bad_request_ratio):
        values[partition_of(event.key, PARTITIONS)].append((event.key, event.value))
    return [list(_batches(_shared(some) if envelopes else some)) for some in values]


def _shared(values: Iterable[tuple[bytes | None, bytes]]) -> Iterator[tuple[bytes | None, bytes]]:
    waiting: list[bytes] = []
    for _, value in values:
        waiting.append(value)
        if sum(map(len, waiting)) >= ENVELOPE_BYTES:
            yield None, b"[%b]" % b",".join(waiting)
            waiting = []
    if waiting:
        yield None, b"[%b]" % b",".join(waiting)


def _batches(records: Iterable[tuple[bytes | None, bytes]]) -> Iterator[bytes]:
    base, count, builder = 0, 0, _builder()
    for key, value in records:
        if builder.append(count, NOW_MS, key, value, []) is None:
            yield _built(builder, base)
            base, count, builder = base + count, 0, _builder()
            builder.append(count, NOW_MS, key, value, [])
        count += 1
    if count:
        yield _built(builder, base)


def _builder() -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, BATCH_BYTES)


def _built(builder: DefaultRecordBatchBuilder, base: int) -> bytes:
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    return bytes(data)


def _measure(logs: Logs, *, packed: bool) -> tuple[float, dict[str, dict[str, int]]]:
    """Processor seconds for all of it, and the counts by target."""
    context = build_context(
        load_settings(),
        partition_of=partial(partition_of, partitions=PARTITIONS),
        latest_command=lambda scope_id: None,
        policies=Policies,
        is_granted=lambda target, grant_id: False,
    )
    partitions = [PartitionState("responses", number, context) for number in range(PARTITIONS)]
    began_s, folds = time.process_time(), 0
    for first in range(0, max(map(len, logs)), BATCHES_IN_FOLD):
        for partition, log in zip(partitions, logs, strict=True):
            data = b"".join(log[first : first + BATCHES_IN_FOLD])
            partition.apply(_packed(data) if packed else _one_by_one(data), NOW_MS)
            folds += 1
            if folds % FOLDS_BETWEEN_ROWS == 0:
                partition.take_changed()
    spent_s = time.process_time() - began_s
    rows = {name: row for partition in partitions for name, row in partition.rows().items()}
    return spent_s, {name: row.totals() for name, row in rows.items()}


def _one_by_one(data: bytes) -> list[object]:
    parser, found = MemoryRecords(data), list[object]()
    while parser.has_next():
        batch = parser.next_batch()
        assert batch is not None
        assert batch.validate_crc()
        found += list(batch)
    return found


def _packed(data: bytes) -> PackedRecords:
    kept, found = KeptRecords(data), PackedRecords()
    while kept.has_next():
        batch = kept.next_batch()
        assert kept.is_whole(batch)
        found += kept.pack(batch, 0)
    return found
