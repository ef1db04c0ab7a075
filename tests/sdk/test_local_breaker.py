"""The breaker of one process: closed, open and half-open by signature, bounded, cleared by the gate's commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.guard.local_breaker import MOST_SIGNATURES, LocalBreaker

TARGET = "api.shop.example"


def opened(after: int = 3) -> LocalBreaker:
    breaker = LocalBreaker(after=after, hold_s=60, longest_hold_s=200)
    for second in range(after):
        assert breaker.refuses(TARGET, "a", second) is None
        breaker.record(TARGET, "a", 400, second)
    return breaker


def test_equal_400s_in_a_row_stop_that_signature_only() -> None:
    breaker = opened()
    refused = breaker.refuses(TARGET, "a", 10)
    assert refused is not None
    assert (refused.bad_requests, refused.until_s) == (3, 62)
    assert breaker.refuses(TARGET, "b", 10) is None
    assert breaker.refuses("other.example", "a", 10) is None


def test_any_other_status_starts_the_row_again() -> None:
    breaker = LocalBreaker(after=2)
    for status in (400, 200, 400, 503, 400):
        assert breaker.record(TARGET, "a", status, 0) is None
    assert breaker.record(TARGET, "a", 400, 0) is not None


def test_after_the_hold_one_request_passes_and_its_400_doubles_the_hold_up_to_the_longest() -> None:
    breaker, now, holds = opened(), 62.0, []
    for _ in range(4):
        assert breaker.refuses(TARGET, "a", now) is None
        assert breaker.refuses(TARGET, "a", now) is not None
        held = breaker.record(TARGET, "a", 400, now)
        assert held is not None
        holds.append(held.until_s - now)
        now = held.until_s
    assert holds == [120, 200, 200, 200]


def test_a_success_of_the_probe_closes_it() -> None:
    breaker = opened()
    assert breaker.refuses(TARGET, "a", 62) is None
    breaker.record(TARGET, "a", 200, 63)
    assert breaker.refuses(TARGET, "a", 63) is None
    assert not breaker.follows(TARGET)


def test_a_probe_without_a_response_is_tried_again_after_the_hold() -> None:
    breaker = opened()
    assert breaker.refuses(TARGET, "a", 62) is None
    assert breaker.refuses(TARGET, "a", 100) is not None
    assert breaker.refuses(TARGET, "a", 122) is None


def test_a_command_of_the_gate_clears_the_target() -> None:
    breaker = opened()
    breaker.clear("other.example")
    assert breaker.refuses(TARGET, "a", 10) is not None
    breaker.clear(TARGET)
    assert breaker.refuses(TARGET, "a", 10) is None


@pytest.mark.parametrize("options", [{"after": 0}, {"hold_s": 0}, {"hold_s": 10, "longest_hold_s": 5}])
def test_limits_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="after="):
        LocalBreaker(**options)  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from([200, 400, 503])), max_size=60)
)
def test_what_is_followed_is_what_got_a_400_last(responses: list[tuple[str, str, int]]) -> None:
    breaker, last = LocalBreaker(after=2), {}
    for second, (target, signature, status) in enumerate(responses):
        breaker.record(target, signature, status, second)
        last[target, signature] = status
    for target in "ab":
        assert breaker.follows(target) == any(name == target and status == 400 for (name, _), status in last.items())


def test_memory_is_bounded() -> None:
    breaker = LocalBreaker()
    for number in range(MOST_SIGNATURES + 10):
        breaker.record(f"t{number}", "a", 400, 0)
    assert not breaker.follows("t9")
    assert breaker.follows("t10")
