"""What the state of a fleet takes in memory: ``python -m benchmarks memory [--targets 100000]``. No Kafka is needed.

The state of every partition, as a worker has it, is filled with real events: a day of light traffic, so that all
windows have counts and all detectors their evidence, then minutes of heavy traffic, so that many targets are active.
Then single targets, for the bytes of each: after few events, and with every bucket of a day's ring in use.
"""

import argparse
import gc
import json
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from pathlib import Path

from benchmarks.events import _job
from halt400.windows import FINE_KEPT_S
from streams.processing.decoding import Record
from streams.processing.partition import PartitionState, ProcessingContext
from streams.topics import partition_of

PARTITIONS = 12
DAY_S = 86_400
START_MS = 1_760_000_000_000
__all__ = ["fleet_rows", "main"]

BOUND_BYTES = 600_000_000
BAD_REQUEST_RATIO = 0.005
JOBS = 4


def main(arguments: list[str]) -> int:
    """Measure, print, and check the bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--targets", type=int, default=100_000)
    parser.add_argument("--day-events", type=int, default=1_000_000, help="events of the day before")
    parser.add_argument("--rate", type=int, default=5_000, help="events a second of the heavy minutes")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long they last")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    figures = _fleet(given)
    if given.minutes:
        figures |= _single_targets()
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<64} {value:>14,.1f}")
    return 0 if figures["fleet: resident memory of the process, MB"] * 1e6 <= BOUND_BYTES else 1


class _Traffic:
    """Events of a fleet, drawn by Zipf's law; made of two templates, for a hundred thousand targets have no room."""

    def __init__(self, targets: int, seed: int = 400, partitions: int = PARTITIONS) -> None:
        job = _job(0, 0)
        self._success, self._bad_request = job.success, job.bad_request
        self._random = random.Random(seed)
        self._targets = range(targets)
        self._cumulated = list(accumulate(1 / rank for rank in range(1, targets + 1)))
        self._places = {number: partition_of(self.key(number), partitions) for number in self._targets}
        self._made = 0

    @staticmethod
    def key(number: int) -> bytes:
        """The key of a target."""
        return b"api.shop-%06d.example" % number

    def draw(self, count: int) -> list[int]:
        """Draw the targets of some events."""
        return self._random.choices(self._targets, cum_weights=self._cumulated, k=count)

    def record(self, target: int, time_ms: int, bad_request_ratio: float = BAD_REQUEST_RATIO) -> tuple[int, Record]:
        """One event of a target, with its partition."""
        self._made = number = self._made + 1
        if self._random.random() < bad_request_ratio:
            value = self._bad_request % (7, number, time_ms, number, number % 97, number, 7, number, number)
        else:
            value = self._success % (7, number, time_ms, number, 200, number % 97, number, 7, number, number)
        value = value.replace(b"shop-0000", b"shop-%06d" % target)
        value = value.replace(b"extract-0000-00", b"extract-%06d-%02d" % (target, number % JOBS))
        return self._places[target], Record(number, time_ms, self.key(target), value)


def _fleet(given: argparse.Namespace) -> dict[str, float]:
    before = _resident_bytes()
    states, traffic = _states(), _Traffic(given.targets)
    gc.freeze()
    overhead = _resident_bytes()
    peak = 0
    day, heavy = given.day_events, int(given.rate * given.minutes * 60)
    everyone, drawn = iter(range(given.targets)), traffic.draw
    for draw, events, start_s, seconds, steps in (
        (lambda count: list(islice(everyone, count)), given.targets, 0, 3600, 1000),
        (drawn, day, 3600, DAY_S - 3600, 2000),
        (drawn, heavy, DAY_S, given.minutes * 60, int(given.minutes * 60)),
    ):
        for now_ms in _run(states, traffic, draw, events, START_MS + start_s * 1000, seconds, steps):
            peak = max(peak, _resident_bytes())
            if sys.stderr.isatty():
                print(f"\r{(now_ms - START_MS) / 3.6e6:6.2f} h {peak / 1e6:8.1f} MB", end="", file=sys.stderr)
    gc.collect()
    end = _resident_bytes()
    loaded = sum(len(state.loaded_targets()) for state in states)
    return {
        "fleet: targets": sum(state.active_targets(0) for state in states),
        "fleet: of them in memory at the end": loaded,
        "fleet: events": given.targets + day + heavy,
        "fleet: modules and the generator of events, MB": overhead / 1e6,
        "fleet: resident memory of the process, MB": end / 1e6,
        "fleet: its peak, MB": max(peak, end) / 1e6,
        "fleet: bytes a target, of all": (end - overhead) / given.targets,
        "fleet: modules alone, MB": before / 1e6,
    }


def _run(
    states: list[PartitionState],
    traffic: _Traffic,
    draw: Callable[[int], list[int]],
    events: int,
    start_ms: int,
    seconds: float,
    steps: int,
) -> Iterator[int]:
    """Apply events at an even pace, and after each step do what a worker does each second."""
    done = 0
    while done < events:
        records: list[list[Record]] = [[] for _ in states]
        for number, target in enumerate(draw(min(events - done, -(-events // steps))), start=done):
            place, record = traffic.record(target, start_ms + int(number * seconds * 1000 / events))
            records[place].append(record)
        done += sum(map(len, records))
        now_ms = start_ms + int(done * seconds * 1000 / events)
        for state, found in zip(states, records, strict=True):
            state.apply(found, now_ms)
            state.take_changed()
            state.tick(now_ms)
        yield now_ms


def fleet_rows(targets: int, partitions: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Partition, key and row of each target of a fleet, after an event in each of three hours."""
    states, traffic = _states(partitions), _Traffic(targets, partitions=partitions)
    for hour in range(3):
        now_ms = START_MS + hour * 3_600_000
        for target in range(targets):
            place, record = traffic.record(target, now_ms)
            states[place].apply([record], now_ms)
    for place, state in enumerate(states):
        for key, row in state.take_changed():
            yield place, key, row


def _states(partitions: int = PARTITIONS) -> list[PartitionState]:
    def context(number: int) -> ProcessingContext:
        return ProcessingContext(
            archive_uri=lambda source, target, _time_ms: f"s3://evidence/{target}/{source.offset}",
            partition_of=lambda _key: number,
            latest_command=lambda _scope_id: None,
        )

    return [PartitionState("responses", number, context(number)) for number in range(partitions)]


def _single_targets() -> dict[str, float]:
    """Bytes of a target, by how its traffic was: in memory, and as its row."""
    found: dict[str, float] = {}
    fine = [DAY_S - FINE_KEPT_S + 5 * step for step in range(FINE_KEPT_S // 5)]
    for name, moments, count in (
        ("one event", [DAY_S - 1], 500),
        ("an event each hour of a day", list(range(0, DAY_S, 3600)), 200),
        ("an event each minute of a day and each 5 s at its end", [*range(0, DAY_S - FINE_KEPT_S, 60), *fine], 10),
    ):
        (state,), traffic = _states()[:1], _Traffic(count)
        tracemalloc.start()
        for second in moments:
            now_ms = START_MS + second * 1000
            state.apply([traffic.record(target, now_ms)[1] for target in range(count)], now_ms)
        rows = state.take_changed()
        rows_bytes = sum(len(row) for _, row in rows)
        found[f"a target with {name}: bytes as a row"] = rows_bytes / count
        del rows
        state._ids.recent.clear()  # these are of the partition
        state._ids.older.clear()
        found[f"a target with {name}: bytes in memory"] = tracemalloc.get_traced_memory()[0] / count
        tracemalloc.stop()
    return found


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
