"""The ring of one target, compared with simple counting."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from halt400.errors import InvalidRecord
from halt400.windows import (
    CLASSES,
    WINDOWS_S,
    Row,
    decode_row,
    encode_row,
    window_counts,
    window_seconds,
)

NOW = 1_760_000_000_000
DAY_MS = 86_400_000

statuses = st.sampled_from([200, 204, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503, 599])
recent = st.lists(st.tuples(st.integers(0, DAY_MS - 60_000), statuses), max_size=60)
"""(age in milliseconds, status)"""


def ring_of(events: list[tuple[int, int]]) -> Row:
    row = Row()
    for age_ms, status in events:
        row.count(NOW - age_ms, status)
    return row


def name_of(status: int) -> str:
    hundred = f"{status // 100}xx"
    return str(status) if str(status) in CLASSES else hundred if hundred in CLASSES else "other"


@given(recent, st.sampled_from(list(WINDOWS_S.values())), st.integers(0, 3_600_000))
def test_a_window_counts_exactly_the_events_between_its_start_and_end(
    events: list[tuple[int, int]], window_s: int, ago_ms: int
) -> None:
    row = ring_of(events)
    counted = window_counts(row, window_s, NOW - ago_ms)
    inside = [status for age, status in events if counted.start <= NOW - age < counted.end]
    assert counted.end - counted.start == window_s * 1000
    assert 0 <= counted.end - (NOW - ago_ms) < 60_000
    assert counted.responses == len(inside)
    assert counted.classes == {name: sum(name_of(status) == name for status in inside) for name in CLASSES}
    if inside:
        assert counted.bad_request_ratio == inside.count(400) / len(inside)
    else:
        assert counted.bad_request_ratio is None


@given(recent, st.randoms(use_true_random=False))
def test_the_order_of_events_within_a_day_does_not_matter(events: list[tuple[int, int]], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ring_of(shuffled) == ring_of(events)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 5 * DAY_MS), statuses), max_size=80))
def test_counts_are_conserved_however_late_events_come(events: list[tuple[int, int]]) -> None:
    row = ring_of(events)
    totals = row.totals()
    assert totals["responses"] == len(events)
    assert sum(totals[name] for name in CLASSES) + row.late == len(events)
    assert totals["400"] + row.late_bad_requests == sum(status == 400 for _, status in events)


@given(recent)
def test_a_row_is_the_same_after_encoding_and_decoding(events: list[tuple[int, int]]) -> None:
    row = ring_of(events)
    row.offset, row.detection = 12, b"state"
    assert decode_row(encode_row(row)) == row


def test_short_windows_end_within_five_seconds_of_the_requested_moment() -> None:
    row = ring_of([(second * 1000, 200) for second in range(1800)])
    for name in ("1m", "5m", "15m"):
        counted = window_counts(row, WINDOWS_S[name], NOW + 1)
        assert counted.end - (NOW + 1) < 5_000
        assert counted.responses >= WINDOWS_S[name] - 5


def test_a_late_event_counts_where_it_belongs_while_its_bucket_is_kept() -> None:
    row = ring_of([(0, 200)])
    assert row.count(NOW - 23 * 3_600_000, 400)
    assert not row.count(NOW - 25 * 3_600_000, 400)
    assert window_counts(row, 86_400, NOW).bad_requests == 1
    assert (row.late, row.late_bad_requests) == (1, 1)


@pytest.mark.slow
def test_memory_is_bounded_by_the_buckets_of_a_day() -> None:
    row = Row()
    for second in range(0, 3 * 86_400, 5):
        row.count(NOW + second * 1000, 400)
    assert len(row.responses) <= 24 * 60 + 21 * 12 + 1
    assert row.totals()["400"] == 3 * 86_400 / 5


def test_an_unknown_window_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'2m': choose one of 1m, 5m"):
        window_seconds("2m")
    with pytest.raises(ValueError, match="at most 86400"):
        window_counts(Row(), 90_000, NOW)


ROW_BEFORE_2XX_AND_3XX_WERE_TOLD_APART = bytes.fromhex(
    "9d0107ce14fb17ffce14fb170c83ce14fb125c02ce14fb178802ce14fb17ff0282cea7d8bc4101cea7d8bfff019801000000"
    "0100000000000000c400c400"
)
"""200 and 404, more than a day old; 200 and 301 two hours old; 418 and 400; 200 and 503 of the last seconds."""


def test_a_row_of_an_earlier_release_has_what_it_does_not_tell_apart_as_other() -> None:
    row = decode_row(ROW_BEFORE_2XX_AND_3XX_WERE_TOLD_APART)
    counted = window_counts(row, 86_400, NOW)
    assert {name: n for name, n in counted.classes.items() if n} == {"400": 1, "5xx": 1, "other": 4}
    totals = {"responses": 8, "404": 1, "400": 1, "5xx": 1, "other": 5}
    assert {name: n for name, n in row.totals().items() if n} == totals
    row.count(NOW, 200)
    row.count(NOW, 304)
    assert row.totals()["2xx"] == row.totals()["3xx"] == 1
    assert decode_row(encode_row(row)) == row
    row.count(NOW + 2 * DAY_MS, 204)
    assert {name: n for name, n in row.totals().items() if n} == totals | {"responses": 11, "2xx": 2, "3xx": 1}


def test_an_earlier_release_reads_a_row_and_what_it_writes_is_read_again() -> None:
    row = ring_of([(1_000, 200), (1_000, 301), (1_000, 400)])
    *earlier, _, _ = msgpack.decode(encode_row(row))
    again = decode_row(msgpack.encode(earlier))
    assert again.totals() == row.totals() | {"2xx": 0, "3xx": 0, "other": 2}


def test_a_row_of_a_later_version_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="version 9"):
        decode_row(encode_row(Row(version=9)))
    with pytest.raises(InvalidRecord, match="cannot be decoded"):
        decode_row(b"\xc1")
