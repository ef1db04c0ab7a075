"""A storm of one signature is kept in part, counted in full, and hides nothing else."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Source
from streams.archive.storm import Manifest, Storm, decode_manifest, keep


def new_storm(storm_keep: int | None = None, signatures_max: int = 1000) -> Storm:
    return Storm(Manifest(target="t"), storm_keep=storm_keep, signatures_max=signatures_max)


def source(offset: int) -> Source:
    return Source(topic="responses", partition=0, offset=offset)


def test_every_one_is_kept_where_the_cap_is_off() -> None:
    assert all(keep(number) for number in range(1, 10_000))
    storm = new_storm()
    assert all(storm.count(source(number), "a", number) for number in range(1000))
    assert storm.manifest().kept == 1000


@given(st.integers(1, 50), st.integers(1, 5000))
def test_the_first_are_kept_and_never_too_few_after(storm_keep: int, count: int) -> None:
    kept = [number for number in range(1, count + 1) if keep(number, storm_keep)]
    assert kept[:storm_keep] == list(range(1, min(storm_keep, count) + 1))
    for before, after in pairwise(kept):
        assert after - before <= 4 * (before // storm_keep + 1)
    assert count - kept[-1] <= 4 * (count // storm_keep + 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 10**6), st.booleans()), max_size=300),
    st.integers(1, 5),
)
def test_counts_are_exact_and_no_signature_is_hidden(seen: list[tuple[str, int, bool]], storm_keep: int) -> None:
    storm = new_storm(storm_keep)
    kept = [
        (name, storm.count(source(number), name, time_ms, always=always), always)
        for number, (name, time_ms, always) in enumerate(seen)
    ]
    manifest = storm.manifest()
    assert manifest.seen == len(seen)
    assert manifest.kept == sum(bool(was) for _, was, _ in kept)
    assert all(was for _, was, always in kept if always)
    for count in manifest.signatures:
        times = [time_ms for name, time_ms, _ in seen if name == count.signature]
        assert (count.seen, count.first_ms, count.last_ms) == (len(times), min(times), max(times))
        assert next(was for name, was, _ in kept if name == count.signature)
        assert count.kept == sum(bool(was) for name, was, _ in kept if name == count.signature)
    assert {count.signature for count in manifest.signatures} == {name for name, _, _ in seen}


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 10**6)), min_size=1, max_size=120),
    st.lists(st.tuples(st.integers(0, 119), st.integers(0, 119)), max_size=6),
)
def test_crashes_and_redelivery_change_neither_counts_nor_decisions(
    seen: list[tuple[str, int]], crashes: list[tuple[int, int]]
) -> None:
    """Each crash happens at one place, after a manifest of an earlier one; the log is read again from there or before.

    Three signatures are remembered: what is forgotten is the same after a restart.
    """
    plain = new_storm(2, 3)
    decisions = [plain.count(source(number), name, time_ms) for number, (name, time_ms) in enumerate(seen)]
    storm, done, manifest, counted = new_storm(2, 3), 0, msgspec.json.encode(new_storm(2, 3).manifest()), 0
    kept: dict[int, bool] = {}

    def read(first: int, end: int) -> None:
        for number in range(first, end):
            decision = storm.count(source(number), *seen[number])
            if decision is not None:
                assert kept.setdefault(number, decision) == decision

    for at, back in crashes:
        at = max(min(at, len(seen)), done)
        read(done, at)
        done = at
        if back % 2:
            manifest, counted = msgspec.json.encode(storm.manifest()), done
        storm = Storm(decode_manifest(manifest), storm_keep=2, signatures_max=3)
        done = min(counted, back)
    read(done, len(seen))
    assert [kept[number] for number in range(len(seen))] == decisions
    assert storm.manifest() == plain.manifest()


def test_a_log_that_was_made_anew_is_not_taken_for_the_one_before() -> None:
    storm = new_storm(20)
    for number in range(10):
        storm.count(source(number), "a", 1000 + number)
    assert storm.count(source(3), "a", 1003) is None
    assert storm.count(source(0), "a", 5000) is True
    assert storm.count(source(1), "a", 4000) is True
    assert storm.manifest().seen == 12


def test_a_storm_hides_no_new_signature_and_memory_is_bounded() -> None:
    storm = new_storm(20, 100)
    for number in range(5000):
        storm.count(source(2 * number), "storm", number)
        assert storm.count(source(2 * number + 1), f"new-{number}", number)
    manifest = storm.manifest()
    assert manifest.seen == 10_000
    assert len(manifest.signatures) == 100
    assert manifest.forgotten == 5001 - 100
    (loud,) = (count for count in manifest.signatures if count.signature == "storm")
    assert loud.seen == 5000
    assert loud.kept == sum(keep(number, 20) for number in range(1, 5001)) < 120


@pytest.mark.parametrize("count", [10**3, 10**6])
def test_a_million_equal_offences_leave_a_few_hundred(count: int) -> None:
    assert sum(keep(number, 20) for number in range(1, count + 1)) < 200
