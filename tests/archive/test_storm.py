"""A storm of one signature is kept in part, counted in full, and hides nothing else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.archive.storm import Storm, keep


def test_everything_is_kept_unless_configured() -> None:
    assert all(keep(number) for number in range(1, 10_000))
    storm = Storm("t")
    assert all(storm.offence("a", number) for number in range(1000))
    assert storm.manifest().kept == 1000


@given(st.integers(1, 50), st.integers(1, 5000))
def test_the_first_are_kept_and_never_too_few_after(storm_keep: int, count: int) -> None:
    kept = [number for number in range(1, count + 1) if keep(number, storm_keep)]
    assert kept[:storm_keep] == list(range(1, min(storm_keep, count) + 1))
    for before, after in pairwise(kept):
        assert after - before <= 4 * (before // storm_keep + 1)
    assert count - kept[-1] <= 4 * (count // storm_keep + 1)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 10**6)), max_size=300), st.integers(1, 5))
def test_counts_are_exact_and_no_signature_is_hidden(seen: list[tuple[str, int]], storm_keep: int) -> None:
    storm = Storm("t", storm_keep=storm_keep)
    kept = [(signature, storm.offence(signature, time_ms)) for signature, time_ms in seen]
    manifest = storm.manifest()
    assert manifest.seen == len(seen)
    assert manifest.kept == sum(was for _, was in kept)
    for count in manifest.signatures:
        times = [time_ms for signature, time_ms in seen if signature == count.signature]
        assert (count.seen, count.first_ms, count.last_ms) == (len(times), min(times), max(times))
        assert next(was for signature, was in kept if signature == count.signature)
        assert count.kept == sum(was for signature, was in kept if signature == count.signature)
    assert {count.signature for count in manifest.signatures} == {signature for signature, _ in seen}


def test_a_storm_hides_no_new_signature_and_memory_is_bounded() -> None:
    storm = Storm("t", storm_keep=20, signatures_max=100)
    for number in range(5000):
        storm.offence("storm", number)
        assert storm.offence(f"new-{number}", number)
    manifest = storm.manifest()
    assert manifest.seen == 10_000
    assert len(manifest.signatures) == 100
    assert manifest.forgotten == 5001 - 100
    assert manifest.signatures[0].signature == "storm"
    assert manifest.signatures[0].seen == 5000
    assert manifest.signatures[0].kept == sum(keep(number, 20) for number in range(1, 5001)) < 120


@pytest.mark.parametrize("count", [10**3, 10**6])
def test_a_million_equal_offences_leave_a_few_hundred(count: int) -> None:
    assert sum(keep(number, 20) for number in range(1, count + 1)) < 200
