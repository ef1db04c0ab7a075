from hypothesis import given
from hypothesis import strategies as st

from halt400.kafka.latest import LatestValues

KEYS = st.sampled_from([b"a", b"b", b"c"])
LOG = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=40)


def folded(log: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    return {key: value for key, value in dict(log).items() if value is not None}


@given(LOG, st.integers(0, 40))
def test_the_last_record_of_a_key_is_kept_however_the_log_is_cut_into_polls(
    log: list[tuple[bytes, bytes | None]], cut: int
) -> None:
    latest = LatestValues()
    mirror: dict[bytes, bytes | None] = {}
    for poll in (log[:cut], log[cut:]):
        mirror.update(latest.apply(poll))
    assert latest.values == folded(log)
    assert {key: value for key, value in mirror.items() if value is not None} == latest.values


@given(LOG, LOG)
def test_a_reload_ends_with_the_values_of_the_new_log_and_reports_the_difference(
    old: list[tuple[bytes, bytes | None]], new: list[tuple[bytes, bytes | None]]
) -> None:
    latest = LatestValues()
    values = latest.values
    latest.apply(old)
    before = dict(values)
    latest.begin_reload()
    assert latest.apply(new) == {}
    assert values == before
    changes = latest.end_reload()
    assert values is latest.values
    assert values == folded(new)
    for key, value in changes.items():
        assert before.get(key) != value
        before.pop(key, None)
        if value is not None:
            before[key] = value
    assert before == values
    assert latest.end_reload() == {}


@given(st.lists(st.integers(0, 9), max_size=30))
def test_newer_keeps_the_greatest_value_in_any_order(numbers: list[int]) -> None:
    latest = LatestValues(newer=lambda old, new: int(new) > int(old))
    latest.apply((b"k", b"%d" % number) for number in numbers)
    assert latest.values == ({b"k": b"%d" % max(numbers)} if numbers else {})
