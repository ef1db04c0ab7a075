"""Invariants 1, 2 and 6: counts, offences, evidence, and what was committed. Pure.

`responses` is the truth: an event is accepted when it is on the log. One that was published twice is two records, which
are counted twice, as docs/sdk.md says.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from chaos.history import History, LogRecord
from chaos.violation import Violation
from halt400.records import UNDECODABLE, Offence
from halt400.windows import Row
from streams.archive.expected import ExpectedArchive
from streams.archive.object_names import object_key
from streams.archive.sampling import OffenceSampler
from streams.processing.decoding import decode_counted, decode_event
from streams.topics import partition_of

__all__ = ["Accepted", "accepted", "check_commits", "check_counts", "check_evidence"]

NAMED = {400, 401, 403, 404, 422, 429}


class Accepted(NamedTuple):
    """One event that must be counted: its place on the log, and what is counted of it."""

    partition: int
    offset: int
    target: str
    status: int
    id: str
    time_ms: int
    appended_ms: int


def accepted(history: History) -> tuple[list[Accepted], list[LogRecord]]:
    """The events on `responses` that must be counted, and the records that must be refused."""
    taken, refused = [], []
    for record in history.records("responses"):
        event = _event(record, history.partitions)
        if event is None:
            refused.append(record)
        else:
            taken.append(event)
    return taken, refused


def _event(record: LogRecord, partitions: int) -> Accepted | None:
    try:
        found = decode_counted(record.value or b"")
        if found.response.status == 400:
            decode_event(record.value or b"")
    except UNDECODABLE:
        return None
    target = found.target
    spoiled = "/" in target or target != target.strip() or not target.isprintable()
    if spoiled or record.key != target.encode() or partition_of(record.key, partitions) != record.partition:
        return None
    return Accepted(
        record.partition, record.offset, target, found.response.status, found.id, found.time, record.appended_ms
    )


def check_counts(history: History, events: list[Accepted], refused: list[LogRecord]) -> Iterator[Violation]:
    """Invariant 1: rows against the log, the log against what publishers were acknowledged, refusals."""
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        wanted[event.target].update(("responses", _class_of(event.status)))
    rows = final_rows(history)
    for target in sorted(wanted.keys() | rows.keys()):
        row = rows.get(target)
        counted = Counter({name: n for name, n in row.totals().items() if n}) if row is not None else Counter()
        if counted != wanted.get(target, Counter()):
            yield Violation(1, f"{target}: counted {dict(counted)}, accepted {dict(wanted.get(target, {}))}")
    on_log = {event.id for event in events}
    for scraper, lines in history.scrapers.items():
        yield from _check_acknowledged(scraper, lines, on_log)
    letters = {(record.partition, record.offset) for record in refused}
    kept = {
        (int(headers[b"partition"]), int(headers[b"offset"]))
        for headers in map(_dead_letter_place, history.records("responses.dlq"))
        if headers[b"topic"] == f"{history.prefix}responses".encode()
    }
    for partition, offset in sorted(letters - kept):
        yield Violation(1, f"responses-{partition}@{offset} cannot be counted and is no dead letter")
    for partition, offset in sorted(kept - letters):
        yield Violation(1, f"responses-{partition}@{offset} is a dead letter although it can be counted")


def _dead_letter_place(record: LogRecord) -> dict[bytes, bytes]:
    names = {name.removeprefix("halt400.").encode(): value for name, value in record.headers}
    return {b"topic": b"", b"partition": b"-1", b"offset": b"-1"} | names


def _check_acknowledged(scraper: str, lines: list, on_log: set[str]) -> Iterator[Violation]:
    pending: list[str] = []
    for line in lines:
        if line.kind == "sent":
            pending.append(line.id)
        elif line.kind == "dropped":
            pending = []
        elif line.kind == "acknowledged":
            covered = pending.index(line.id) + 1 if line.id in pending else 0
            lost = [name for name in pending[:covered] if name not in on_log]
            if lost:
                yield Violation(1, f"{scraper}: {len(lost)} acknowledged events are not on the log, first {lost[0]}")
            del pending[:covered]


def _class_of(status: int) -> str:
    if status in NAMED:
        return str(status)
    return {2: "2xx", 3: "3xx", 5: "5xx"}.get(status // 100, "other")


def final_rows(history: History) -> dict[str, Row]:
    """The row of each target that a worker would recover: the one with the greatest offset."""
    rows: dict[str, Row] = {}
    kept = {(record.partition, record.offset) for record in history.records("rates")}
    for record, target, row in history.rows():
        if (record.partition, record.offset) not in kept:
            continue
        if target not in rows or row.offset >= rows[target].offset:
            rows[target] = row
    return rows


def check_evidence(history: History, events: list[Accepted]) -> Iterator[Violation]:
    """Invariant 2: each 400 has its offence, each offence its object or its place in a manifest."""
    wanted = {(event.partition, event.offset): event for event in events if event.status == 400}
    found: dict[tuple[int, int], Offence] = {}
    topic = f"{history.prefix}offences"
    expected, kept = ExpectedArchive(topic, storm_keep=history.storm_keep), set[str]()
    for record, offence in history.offences():
        place = offence.source.partition, offence.source.offset
        first = found.setdefault(place, offence)
        if (first.target, first.event) != (offence.target, offence.event):
            yield Violation(
                2,
                f"responses-{place[0]}@{place[1]} has two different offences: {first.command_id} and "
                f"{offence.command_id}",
            )
        _, is_kept = expected.add(record.partition, offence)
        if is_kept:
            kept.add(object_key(offence.source, offence.target, offence.event.time))
    for partition, offset in sorted(wanted.keys() - found.keys()):
        yield Violation(2, f"the 400 at responses-{partition}@{offset} has no offence")
    for partition, offset in sorted(found.keys() - wanted.keys()):
        yield Violation(2, f"an offence names responses-{partition}@{offset}, which is no 400")
    objects = {key for key in history.objects if key.endswith(".har")}
    for key in sorted(kept - objects):
        yield Violation(2, f"{key} is not in the archive")
    for key in sorted(objects - kept):
        yield Violation(2, f"{key} is in the archive and was to be left out")
    yield from _check_manifests(history, expected.samplers)


def _check_manifests(history: History, samplers: dict[str, OffenceSampler]) -> Iterator[Violation]:
    for key in sorted(samplers.keys() | history.manifests.keys()):
        stored, sampler = history.manifests.get(key), samplers.get(key)
        if stored is None or sampler is None or stored != sampler.manifest():
            seen = None if stored is None else (stored.seen, stored.kept)
            right = None if sampler is None else (sampler.manifest().seen, sampler.manifest().kept)
            yield Violation(2, f"{key} counts (seen, kept) {seen}, the log says {right}")


def check_commits(history: History, events: list[Accepted]) -> Iterator[Violation]:
    """Invariant 6: what a group had committed at any time was durable by then; at the end, all of it."""
    rows, offences = _row_ends(history), _offence_places(history)
    by_partition: dict[int, list[Accepted]] = defaultdict(list)
    for event in events:
        by_partition[event.partition].append(event)
    checked: dict[int, int] = {}
    for sample in sorted(history.commits, key=lambda one: (one.partition, one.at_ms)):
        if sample.topic != "responses":
            continue
        known = by_partition[sample.partition]
        first = bisect_left(known, checked.get(sample.partition, 0), key=lambda event: event.offset)
        last = bisect_left(known, sample.committed, key=lambda event: event.offset)
        checked[sample.partition] = max(sample.committed, checked.get(sample.partition, 0))
        latest = {event.target: event.offset for event in known[first:last]}
        for target, offset in latest.items():
            if _durable_to(rows.get(target, []), sample.ends["rates"]) < offset:
                yield Violation(
                    6,
                    f"responses-{sample.partition} was committed to {sample.committed} while the row of "
                    f"{target} did not include {offset}",
                )
        for event in known[first:last]:
            place = offences.get((event.partition, event.offset))
            if event.status == 400 and (place is None or place >= sample.ends["offences"]):
                yield Violation(
                    6,
                    f"responses-{sample.partition} was committed to {sample.committed} while the 400 at "
                    f"{event.offset} had no offence",
                )
    yield from _check_listings(history)
    ends: Counter[tuple[str, int]] = Counter()
    for topic in ("responses", "operations", "offences"):
        for record in history.records(topic):
            ends[topic, record.partition] = max(ends[topic, record.partition], record.offset + 1)
    for (topic, partition), end in sorted(ends.items()):
        committed = history.committed.get((topic, partition), 0)
        if committed != end:
            yield Violation(
                6, f"{topic}-{partition} ends at {end}, committed is {committed} after everything was quiet"
            )


def _row_ends(history: History) -> dict[str, list[tuple[int, int]]]:
    """Target -> (log offset, greatest offset that a row up to there includes), in the log's order."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for record, target, row in history.rows():
        known = found[target]
        known.append((record.offset, max(row.offset, known[-1][1] if known else -1)))
    return found


def _durable_to(rows: list[tuple[int, int]], log_end: int) -> int:
    position = bisect_left(rows, log_end, key=lambda row: row[0])
    return rows[position - 1][1] if position else -1


def _offence_places(history: History) -> dict[tuple[int, int], int]:
    """Place of each 400 -> offset of its first offence on the log."""
    found: dict[tuple[int, int], int] = {}
    for record, offence in history.offences():
        found.setdefault((offence.source.partition, offence.source.offset), record.offset)
    return found


def _check_listings(history: History) -> Iterator[Violation]:
    """What the follow-up group has committed is in the archive."""
    expected = ExpectedArchive(f"{history.prefix}offences", storm_keep=history.storm_keep)
    kept: list[tuple[int, int, str]] = []
    for record, offence in history.offences():
        _, is_kept = expected.add(record.partition, offence)
        if is_kept:
            key = object_key(offence.source, offence.target, offence.event.time)
            kept.append((record.partition, record.offset, key))
    for listing in history.listings:
        for partition, offset, key in kept:
            if offset < listing.committed.get(partition, 0) and key not in listing.keys:
                yield Violation(6, f"offences-{partition} was committed past {offset} while {key} was not archived")
