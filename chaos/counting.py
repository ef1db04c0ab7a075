"""Invariants 1, 2 and 6: counts, offences, evidence, and what was committed; `responses` is the truth. Pure."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.accepted import NO_INDEX, Accepted, Place
from chaos.history import History, LogRecord
from chaos.violation import Violation
from halt400.records import Offence, Source
from halt400.windows import Row
from streams.archive.expected import ExpectedArchive
from streams.archive.object_names import object_key
from streams.archive.sampling import OffenceSampler

__all__ = ["check_commits", "check_counts", "check_evidence"]

NAMED = {400, 401, 403, 404, 422, 429}


def check_counts(history: History, events: list[Accepted], refused: set[Place]) -> Iterator[Violation]:
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
    letters = set(map(_dead_letter_place, history.records("responses.dlq")))
    kept = {place for topic, place in letters if topic == f"{history.prefix}responses"}
    for place in sorted(refused - kept):
        yield Violation(1, f"{_named(place)} cannot be counted and is no dead letter")
    for place in sorted(kept - refused):
        yield Violation(1, f"{_named(place)} is a dead letter although it can be counted")


def _dead_letter_place(record: LogRecord) -> tuple[str, Place]:
    """The topic and the place of the record, or event of an array, that a dead letter is."""
    headers = {name.removeprefix("halt400."): value for name, value in record.headers}
    partition, offset = int(headers.get("partition", -1)), int(headers.get("offset", -1))
    return headers.get("topic", b"").decode(), (partition, offset, int(headers.get("index", NO_INDEX)))


def _named(place: Place) -> str:
    partition, offset, index = place
    return f"responses-{partition}@{offset}" + (f"[{index}]" if index > 0 else "")


def _place_of(source: Source) -> Place:
    return source.partition, source.offset, source.index


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
    wanted = {event.place for event in events if event.status == 400}
    found: dict[Place, Offence] = {}
    topic = f"{history.prefix}offences"
    expected, kept = ExpectedArchive(topic, storm_keep=history.storm_keep), set[str]()
    for record, offence in history.offences():
        place = _place_of(offence.source)
        first = found.setdefault(place, offence)
        if (first.target, first.event) != (offence.target, offence.event):
            yield Violation(
                2,
                f"{_named(place)} has two different offences: {first.command_id} and {offence.command_id}",
            )
        _, is_kept = expected.add(record.partition, offence)
        if is_kept:
            kept.add(object_key(offence.source, offence.target, offence.event.time))
    for place in sorted(wanted - found.keys()):
        yield Violation(2, f"the 400 at {_named(place)} has no offence")
    for place in sorted(found.keys() - wanted):
        yield Violation(2, f"an offence names {_named(place)}, which is no 400")
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
            if event.status != 400:
                continue
            place = offences.get(event.place)
            if place is None or place >= sample.ends["offences"]:
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


def _offence_places(history: History) -> dict[Place, int]:
    """Place of each 400 -> offset of its first offence on the log."""
    found: dict[Place, int] = {}
    for record, offence in history.offences():
        found.setdefault(_place_of(offence.source), record.offset)
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
