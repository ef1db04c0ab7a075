"""A storm of one signature is sampled, counted in full, and does not hide other signatures."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.records import Source
from streams.archive.sampling import Manifest, OffenceSampler, decode_manifest, is_kept


def new_sampler(storm_keep: int | None = None, signatures_max: int = 1000) -> OffenceSampler:
    return OffenceSampler(Manifest(target="t"), storm_keep=storm_keep, signatures_max=signatures_max)


def source(offset: int) -> Source:
    return Source(topic="responses", partition=0, offset=offset)


def test_without_sampling_every_offence_is_kept() -> None:
    assert all(is_kept(number) for number in range(1, 10_000))
    sampler = new_sampler()
    assert all(sampler.count(source(number), "a", number) for number in range(1000))
    assert sampler.manifest().kept == 1000


@given(st.integers(1, 50), st.integers(1, 5000))
def test_the_first_are_kept_and_a_sample_of_the_rest(storm_keep: int, count: int) -> None:
    kept = [number for number in range(1, count + 1) if is_kept(number, storm_keep)]
    assert kept[:storm_keep] == list(range(1, min(storm_keep, count) + 1))
    for before, after in pairwise(kept):
        assert after - before <= 4 * (before // storm_keep + 1)
    assert count - kept[-1] <= 4 * (count // storm_keep + 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 10**6), st.booleans()), max_size=300),
    st.integers(1, 5),
)
def test_counts_are_exact_and_no_signature_is_hidden(seen: list[tuple[str, int, bool]], storm_keep: int) -> None:
    sampler = new_sampler(storm_keep)
    kept = [
        (name, sampler.count(source(number), name, time_ms, always=always), always)
        for number, (name, time_ms, always) in enumerate(seen)
    ]
    manifest = sampler.manifest()
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
    plain = new_sampler(2, 3)
    decisions = [plain.count(source(number), name, time_ms) for number, (name, time_ms) in enumerate(seen)]
    sampler, done, manifest, counted = new_sampler(2, 3), 0, msgspec.json.encode(new_sampler(2, 3).manifest()), 0
    kept: dict[int, bool] = {}

    def read(first: int, end: int) -> None:
        for number in range(first, end):
            decision = sampler.count(source(number), *seen[number])
            if decision is not None:
                assert kept.setdefault(number, decision) == decision

    for at, back in crashes:
        at = max(min(at, len(seen)), done)
        read(done, at)
        done = at
        if back % 2:
            manifest, counted = msgspec.json.encode(sampler.manifest()), done
        sampler = OffenceSampler(decode_manifest(manifest), storm_keep=2, signatures_max=3)
        done = min(counted, back)
    read(done, len(seen))
    assert [kept[number] for number in range(len(seen))] == decisions
    assert sampler.manifest() == plain.manifest()


def test_a_topic_that_was_created_again_is_counted_anew() -> None:
    sampler = new_sampler(20)
    for number in range(10):
        sampler.count(source(number), "a", 1000 + number)
    assert sampler.count(source(3), "a", 1003) is None
    assert sampler.count(source(0), "a", 5000) is True
    assert sampler.count(source(1), "a", 4000) is True
    assert sampler.manifest().seen == 12


def test_a_storm_hides_no_new_signature_and_memory_is_bounded() -> None:
    sampler = new_sampler(20, 100)
    for number in range(5000):
        sampler.count(source(2 * number), "storm", number)
        assert sampler.count(source(2 * number + 1), f"new-{number}", number)
    manifest = sampler.manifest()
    assert manifest.seen == 10_000
    assert len(manifest.signatures) == 100
    assert manifest.forgotten == 5001 - 100
    (loud,) = (count for count in manifest.signatures if count.signature == "storm")
    assert loud.seen == 5000
    assert loud.kept == sum(is_kept(number, 20) for number in range(1, 5001)) < 120


@pytest.mark.parametrize("count", [10**3, 10**6])
def test_a_million_equal_offences_leave_a_few_hundred(count: int) -> None:
    assert sum(is_kept(number, 20) for number in range(1, count + 1)) < 200
