"""Every reader of the fleet's log comes to the same decisions, wherever it begins, and the cap is never exceeded."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection import FleetRules, Origin, OriginCounts
from streams.fleet_cap.log import (
    Census,
    ExistingQuarantine,
    FaultReported,
    FleetLog,
    FleetRecord,
    GrantDecision,
    GrantEnded,
    GrantRequest,
    Snapshot,
    decode_fleet_record,
    encode_fleet_record,
)

NOW = 1_700_000_000_000
RULES = FleetRules()
CLEAR = RULES.clear_s * 1000


def request(number: int, again: int = 0, **changes: object) -> GrantRequest:
    fields: dict[str, object] = {"target": f"t{number}", "grant_id": f"w{number}-{again}", "partition": number % 4}
    return GrantRequest(**fields | {"rules": RULES} | changes)  # type: ignore[arg-type]


def ended(number: int, again: int = 0) -> GrantEnded:
    return GrantEnded(target=f"t{number}", grant_id=f"w{number}-{again}")


def census(partition: int, targets: int) -> Census:
    return Census(partition=partition, active_targets=targets, origins=OriginCounts())


def read(log: FleetLog, records: list[FleetRecord], start: int = 0, at_ms: int = NOW) -> list[GrantDecision]:
    return [
        decision
        for number, record in enumerate(records, start)
        for decision in log.apply(number, at_ms + number, record)
    ]


def granted(decisions: list[GrantDecision]) -> list[str]:
    return [decision.target for decision in decisions if decision.granted]


def test_the_first_three_requests_in_the_log_are_granted_and_no_other() -> None:
    log = FleetLog()
    assert granted(read(log, [request(number) for number in range(6)])) == ["t0", "t1", "t2"]
    assert log.state.is_granted("t2", "w2-0")
    assert not log.state.is_granted("t3", "w3-0")


def test_the_share_is_of_the_targets_that_all_partitions_counted() -> None:
    log = FleetLog()
    read(log, [census(0, 30), census(1, 30), census(0, 40)])
    assert log.state.active_targets == 70
    assert len(granted(read(log, [request(number) for number in range(20)], 3))) == 7


def test_a_request_sent_twice_counts_once_and_gets_the_same_decision() -> None:
    decisions = read(FleetLog(), [request(0), request(0), request(1), request(0), request(2)])
    assert granted(decisions) == ["t0", "t0", "t1", "t0", "t2"]


def test_a_grant_that_ended_makes_room_unless_the_guard_has_tripped() -> None:
    log = FleetLog()
    assert granted(read(log, [request(0), request(1), request(2), ended(1), request(3)])) == ["t0", "t1", "t2", "t3"]
    assert granted(read(log, [request(4), ended(0), request(5)], 5)) == []
    assert granted(read(log, [request(5, 1)], 8, NOW + CLEAR)) == ["t5"]


def test_an_old_end_that_is_sent_again_does_not_end_a_later_grant() -> None:
    log = FleetLog()
    read(log, [request(0), ended(0), request(0, 1), ended(0), request(1), request(2)])
    assert sorted(log.state.guard.granted) == ["t0", "t1", "t2"]


def test_a_later_request_of_a_granted_target_counts_no_second_time() -> None:
    log = FleetLog()
    assert granted(read(log, [request(0), request(0, 1)])) == ["t0", "t0"]
    assert log.state.is_granted("t0", "w0-1")
    assert len(log.state.guard.granted) == 1


def test_a_quarantine_that_the_log_does_not_know_is_counted() -> None:
    existing: list[FleetRecord] = [
        ExistingQuarantine(target=f"old-{number}", grant_id=f"cmd-{number}", partition=0) for number in range(3)
    ]
    log = FleetLog()
    assert granted(read(log, [*existing, *existing, request(0)])) == []
    assert len(log.state.guard.granted) == 3


def test_a_trip_is_unreported_until_its_finding_was_sent_and_the_finding_names_what_is_shared() -> None:
    log = FleetLog()
    active = OriginCounts.of([Origin(release="4.2.0")] * 12 + [Origin(release="4.3.0")] * 4)
    origins = [Origin(release="4.3.0")]
    read(log, [Census(partition=0, active_targets=16, origins=active)])
    read(log, [request(number, origins=origins) for number in range(5)], 1)
    state = log.state
    assert (state.is_unreported, state.tripped_by, state.counted_since_trip()) == (True, 3, 0)
    finding = state.finding()
    assert finding is not None
    assert (finding.attribute, finding.value, finding.coverage_ratio) == ("release", "4.3.0", 1.0)
    assert finding.lift == 16 / 5
    assert finding.targets == ("t0", "t1", "t2", "t3", "t4")
    read(log, [FaultReported(tripped_at=state.guard.tripped_at or 0), request(9)], 6)
    assert not state.is_unreported


RECORDS = st.one_of(
    st.builds(request, st.integers(0, 9), st.integers(0, 2)),
    st.builds(ended, st.integers(0, 9), st.integers(0, 2)),
    st.builds(census, st.integers(0, 3), st.integers(0, 20)),
    st.builds(
        lambda number: ExistingQuarantine(target=f"t{number}", grant_id=f"w{number}-0", partition=0), st.integers(0, 9)
    ),
)
LOGS = st.lists(st.tuples(RECORDS, st.integers(0, CLEAR)), max_size=60)


def timed(entries: list[tuple[FleetRecord, int]]) -> list[tuple[int, int, FleetRecord]]:
    found, at_ms = [], NOW
    for offset, (record, wait_ms) in enumerate(entries):
        at_ms += wait_ms
        found.append((offset, at_ms, decode_fleet_record(encode_fleet_record(record))))
    return found


@settings(deadline=None)
@given(LOGS)
def test_no_grant_ever_exceeds_the_cap_as_it_is_at_that_moment(entries: list[tuple[FleetRecord, int]]) -> None:
    log = FleetLog()
    for entry in timed(entries):
        before = set(log.state.guard.granted)
        for decision in log.apply(*entry):
            assert decision.granted == (decision.target in log.state.guard.granted)
            if decision.granted and decision.target not in before:
                assert len(log.state.guard.granted) <= RULES.cap(log.state.active_targets)
                assert log.state.guard.tripped_at is None


@settings(deadline=None)
@given(LOGS, st.data())
def test_a_snapshot_and_what_follows_it_is_as_good_as_the_whole_log(
    entries: list[tuple[FleetRecord, int]], data: st.DataObject
) -> None:
    whole, log = FleetLog(), timed(entries)
    end = data.draw(st.integers(0, len(log)), "records that the snapshot covers")
    begin = data.draw(st.integers(0, end), "records that were deleted")
    late = data.draw(st.integers(end, len(log)), "where the snapshot is in the log")
    covered = FleetLog()
    for entry in log[:end]:
        covered.apply(*entry)
    snapshot = decode_fleet_record(encode_fleet_record(Snapshot(end=end, state=covered.state)))
    at_ms = log[late - 1][1] if late else NOW
    log = [
        *log[:late],
        (late, at_ms, snapshot),
        *((offset + 1, at_ms, record) for offset, at_ms, record in log[late:]),
    ]
    decisions = {(entry[0], decision) for entry in log for decision in whole.apply(*entry)}
    joined = FleetLog()
    found = {(entry[0], decision) for entry in log[begin:] for decision in joined.apply(*entry)}
    rest = joined.reached_end()
    assert rest == []
    assert msgspec.json.encode(joined.state) == msgspec.json.encode(whole.state)
    if begin:
        # What lies between the snapshot's end and the snapshot is decided when the snapshot is read.
        assert {decision for offset, decision in decisions if offset >= end} == {decision for _, decision in found}


@settings(deadline=None)
@given(LOGS)
def test_reading_a_record_again_changes_nothing(entries: list[tuple[FleetRecord, int]]) -> None:
    log = FleetLog()
    for entry in timed(entries):
        log.apply(*entry)
    before = msgspec.json.encode(log.state)
    for entry in timed(entries):
        assert log.apply(*entry) == []
    assert msgspec.json.encode(log.state) == before


def test_a_log_whose_beginning_and_snapshots_are_gone_is_read_from_where_it_begins() -> None:
    log = FleetLog()
    assert read(log, [request(0), request(1)], 1_000) == []
    assert granted(log.reached_end()) == ["t0", "t1"]
    assert granted(read(log, [request(2), request(3)], 1_002)) == ["t2"]
