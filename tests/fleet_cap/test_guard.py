"""The machine never quarantines more targets than the cap, and its finding names what failing jobs have in common."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detection import FleetRules, Origin, OriginCounts, common_attribute
from streams.fleet_cap.guard import FleetGuard

RULES = FleetRules()
NOW = 1_700_000_000_000
CLEAR = RULES.clear_s * 1000


@pytest.mark.parametrize(("active", "cap"), [(0, 3), (10, 3), (30, 3), (39, 3), (40, 4), (1_000, 100)])
def test_the_cap_is_a_tenth_and_at_least_three(active: int, cap: int) -> None:
    assert RULES.cap(active) == cap


def test_a_fleet_wide_break_stops_at_the_cap() -> None:
    guard = FleetGuard()
    granted = [guard.request(f"t{n}", 50, NOW + n, RULES) for n in range(50)]
    assert granted == [True] * 5 + [False] * 45
    assert guard.tripped_at == NOW + 5


def test_a_granted_target_counts_no_second_time() -> None:
    guard = FleetGuard()
    assert all(guard.request("t", 10, NOW + n, RULES) for n in range(10))
    assert len(guard.granted) == 1


def test_once_tripped_nothing_is_granted_until_it_clears() -> None:
    guard = FleetGuard()
    for n in range(4):
        guard.request(f"t{n}", 10, NOW, RULES)
    guard.end_grant("t0")
    assert not guard.request("t9", 10, NOW + 1, RULES)
    assert not guard.clear(10, NOW + CLEAR, RULES)
    assert guard.clear(10, NOW + 1 + CLEAR, RULES)
    assert guard.request("t9", 10, NOW + 2 + CLEAR, RULES)


def test_it_does_not_clear_while_it_is_full() -> None:
    guard = FleetGuard()
    for n in range(4):
        guard.request(f"t{n}", 10, NOW, RULES)
    assert not guard.clear(10, NOW + 10 * CLEAR, RULES)


STEPS = st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, CLEAR)), max_size=80)


@given(STEPS, st.integers(0, 100))
def test_the_cap_is_never_exceeded(steps: list[tuple[int, bool, int]], active: int) -> None:
    guard, now = FleetGuard(), NOW
    for target, is_request, wait in steps:
        now += wait
        if is_request:
            granted = guard.request(f"t{target}", active, now, RULES)
            assert granted == (f"t{target}" in guard.granted)
        else:
            guard.end_grant(f"t{target}")
        assert len(guard.granted) <= RULES.cap(active)
        assert msgspec.json.decode(msgspec.json.encode(guard), type=FleetGuard) == guard


def test_the_attribute_with_the_highest_lift_is_found() -> None:
    active = [Origin(release=f"r{n % 10}", proxy_pool="eu", client="httpx/0.28", region="fra") for n in range(100)]
    failing = [origin for origin in active if origin.release == "r3"]
    common = common_attribute(failing, OriginCounts.of(active))
    assert common is not None
    assert (common.attribute, common.value, common.coverage_ratio) == ("release", "r3", 1.0)
    assert common.lift == pytest.approx(10)


def test_a_rare_value_of_a_few_failing_jobs_explains_nothing() -> None:
    active = [Origin(release="r1", proxy_pool="a" if n < 40 else "b") for n in range(100)]
    failing = [*active[:9], Origin(release="odd", proxy_pool="a")]
    common = common_attribute(failing, OriginCounts.of([*active, failing[-1]]))
    assert common is not None
    assert (common.attribute, common.value) == ("proxy_pool", "a")


def test_what_all_jobs_share_explains_nothing() -> None:
    active = [Origin(release="r1", region=f"z{n}") for n in range(20)]
    assert common_attribute(active[:4], OriginCounts.of(active)) is None
    assert common_attribute([], OriginCounts.of(active)) is None
    assert common_attribute([Origin()], OriginCounts.of([Origin()])) is None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), min_size=1, max_size=30), st.data()
)
def test_it_does_not_depend_on_the_order(pairs: list[tuple[str, str | None]], data: st.DataObject) -> None:
    active = [Origin(release=release, region=region) for release, region in pairs]
    failing = active[: data.draw(st.integers(0, len(active)))]
    shuffled = data.draw(st.permutations(active))
    common = common_attribute(failing, OriginCounts.of(active))
    assert common_attribute(failing[::-1], OriginCounts.of(shuffled)) == common
    assert common is None or (common.lift > 1 and common.coverage_ratio >= 0.5)


def test_one_finding_names_what_is_shared_and_keeps_its_id() -> None:
    guard = FleetGuard()
    assert guard.finding({}, OriginCounts(), NOW) is None
    active = [Origin(release="new" if n < 6 else "old") for n in range(30)]
    for n in range(6):
        guard.request(f"t{n}", 30, NOW + n, RULES)
    origins = {f"t{n}": [active[n]] for n in range(6)}
    finding = guard.finding(origins, OriginCounts.of(active), NOW + 10)
    later = guard.finding(origins, OriginCounts.of(active), NOW + 20)
    assert finding is not None
    assert later is not None
    assert finding.finding_id == later.finding_id
    assert (finding.kind, finding.severity, finding.attribute, finding.value) == (
        "fleet_fault",
        "page",
        "release",
        "new",
    )
    assert finding.targets == tuple(f"t{n}" for n in range(6))
    assert "your own release" in finding.summary


@given(st.lists(st.lists(st.sampled_from([Origin("r1"), Origin("r2", "eu"), Origin()]), max_size=9), max_size=5))
def test_what_several_partitions_count_adds_up(counted: list[list[Origin]]) -> None:
    total = OriginCounts.total(map(OriginCounts.of, counted))
    whole = OriginCounts.of(origin for origins in counted for origin in origins)
    assert total.jobs == whole.jobs
    assert {attribute: values for attribute, values in total.values.items() if values} == whole.values


def test_refused_targets_are_remembered_up_to_a_bound_and_keep_the_guard_tripped_beyond_it() -> None:
    guard = FleetGuard()
    for n in range(2_000):
        guard.request(f"t{n}", 10, NOW + n, RULES)
    for target in ("t0", "t1", "t2"):
        guard.end_grant(target)
    assert len(guard.refused) == 1_000
    assert not guard.clear(10, NOW + 1_000 + CLEAR, RULES)
    assert guard.clear(10, NOW + 1_999 + CLEAR, RULES)
