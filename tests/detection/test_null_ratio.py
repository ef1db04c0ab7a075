"""p0 is a true upper bound, and comes down only as history grows."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detection.null_ratio import ASSUMED_CLEAN, CONFIDENCE, FLOOR, HIGHEST, null_ratio, upper_bound


@pytest.mark.parametrize(("bad", "trials"), [(0, 300), (1, 50), (7, 200), (30, 60), (99, 100)])
def test_the_bound_is_where_so_few_400s_become_improbable(bad: int, trials: int) -> None:
    """Clopper and Pearson by its definition: at the bound, `bad` 400s or fewer come in 1% of cases."""
    bound = upper_bound(bad, trials)
    so_few = sum(comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(bad + 1))
    assert so_few == pytest.approx(1 - CONFIDENCE, rel=1e-6)


def test_the_bound_for_no_400s_has_a_closed_form() -> None:
    for trials in (1, 30, 1_000, 100_000):
        assert upper_bound(0, trials) == pytest.approx(1 - (1 - CONFIDENCE) ** (1 / trials), rel=1e-9)


@given(st.integers(0, 2_000), st.integers(1, 2_000_000))
def test_the_bound_lies_above_what_was_seen_and_below_one(bad: int, more: int) -> None:
    assert bad / (bad + more) < upper_bound(bad, bad + more) < 1


@given(st.integers(0, 500), st.integers(1, 100_000), st.integers(1, 100_000))
def test_more_good_requests_never_raise_it(bad: int, good: int, more: int) -> None:
    assert upper_bound(bad, bad + good + more) <= upper_bound(bad, bad + good) * (1 + 1e-9)


def test_the_bound_is_one_where_all_are_bad() -> None:
    assert upper_bound(5, 5) == upper_bound(0, 0) == 1


def test_a_history_begins_with_some_good_requests() -> None:
    assert null_ratio(0, 0) == upper_bound(0, ASSUMED_CLEAN)
    assert 0.01 < null_ratio(0, 0) < 0.02


def test_it_stays_between_the_floor_and_the_highest() -> None:
    assert null_ratio(0, 10_000_000) == FLOOR
    assert null_ratio(0, 10_000_000, 0.02) == 0.02
    assert null_ratio(99_000, 100_000) == HIGHEST
