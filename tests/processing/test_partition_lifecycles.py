"""The operations and the time of one partition, and what remains of them after a crash; without Kafka."""

from typing import Any

import msgspec
import pytest

from halt400.records import Command, Operation, Scope
from streams.detection import Policies, Rule
from streams.processing.decoding import Record
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState
from streams.processing.target import TrackedTarget
from tests.processing.test_partition import NOW, apply, event, record, state

TARGET = "api.shop.example"
HOLD_MS = 900_000
JOB = Scope(kind="job", target=TARGET, job_id="extract-099")


def operation(kind: str = "release", number: int = 1, **changes: Any) -> Operation:
    known = {"operation_id": f"op-{number}", "time": NOW, "actor": "ada", "reason": "mended", "kind": kind}
    return msgspec.convert(known | {"scope": msgspec.to_builtins(JOB)} | changes, Operation)


def operate(partition: PartitionState, *operations: Operation, now_ms: int = NOW) -> Outcome:
    records = [
        Record(offset, NOW, found.scope.target.encode(), msgspec.json.encode(found))
        for offset, found in enumerate(operations)
    ]
    return partition.operate("operations", records, now_ms)


def latest(*outcomes: Outcome) -> dict[str, Command]:
    return {command.scope.id: command for outcome in outcomes for command in outcome.commands}


def test_an_operation_is_applied_once_however_often_it_comes_and_after_a_recovery() -> None:
    before = state()
    apply(before, record(0, event(400)))
    (released,) = operate(before, operation(), operation()).commands
    assert (released.state, released.sequence, released.issued_by) == ("released", 2, "ada")
    after = state(dict(before.take_changed()))
    assert not operate(after, operation())


def test_a_release_whose_row_was_lost_stays_and_its_operation_is_not_applied_again() -> None:
    before = state()
    opened = apply(before, record(0, event(400)))
    rows = dict(before.take_changed())
    control = latest(opened, operate(before, operation()))
    after = state(rows, latest_command=control.get)
    assert not operate(after, operation())
    again = apply(after, record(0, event(400)), record(1, event(400, time=NOW - 1)))
    assert again.commands == []
    assert len(again.offences) == 1


def test_an_extension_whose_row_was_lost_is_not_issued_twice() -> None:
    before = state()
    opened = apply(before, record(0, event(400)))
    rows = dict(before.take_changed())
    extend = operation("extend", hold_s=7200)
    control = latest(opened, operate(before, extend))
    after = state(rows, latest_command=control.get)
    assert not operate(after, extend)
    (released,) = operate(after, operation(number=2)).commands
    assert released.sequence == 3


@pytest.mark.parametrize("recovered", [False, True])
def test_a_hold_ends_by_time_alone(recovered: bool) -> None:
    partition = state()
    apply(partition, record(0, event(400)))
    if recovered:
        partition = state(dict(partition.take_changed()))
    assert not partition.tick(NOW + HOLD_MS - 1)
    (probing,) = partition.tick(NOW + HOLD_MS).commands
    assert (probing.state, probing.sequence) == ("probing", 2)
    assert not partition.tick(NOW + HOLD_MS)
    assert [key for key, _ in partition.take_changed()] == [TARGET.encode()]


def test_what_time_changed_in_a_worker_that_crashed_is_not_changed_again() -> None:
    before = state()
    opened = apply(before, record(0, event(400)))
    rows = dict(before.take_changed())
    control = latest(opened, before.tick(NOW + HOLD_MS))
    after = state(rows, latest_command=control.get)
    assert not after.tick(NOW + HOLD_MS)


def test_only_first_attempts_are_trials() -> None:
    partition = state()
    apply(partition, *(record(offset, event(attempt=1 + offset % 2)) for offset in range(10)))
    ((_, value),) = partition.take_changed()
    found = TrackedTarget.decode(value, TARGET).state
    assert (found.mixture.gap, found.job("extract-099").mixture.gap) == (5, 5)


def test_no_event_between_two_checkpoints_is_lost_for_the_detectors() -> None:
    partition = state()
    for offset in range(11):
        apply(partition, record(offset, event()))
        if offset % 3 == 0:
            partition = state(dict(partition.take_changed()))
    assert TrackedTarget.decode(partition.take_changed()[0][1], TARGET).state.mixture.gap == 11


def test_under_shadow_nothing_is_issued() -> None:
    shadow = Policies(default=Rule(mode="shadow"))
    outcome = apply(state(policies=lambda: shadow), record(0, event(400)))
    assert outcome.commands == []
    assert [command.state for command in outcome.withheld] == ["quarantined"]
    assert outcome.offences[0].command_id is None


def test_an_operation_whose_key_is_not_its_target_is_refused() -> None:
    wrong = Record(0, NOW, b"other.example", msgspec.json.encode(operation()))
    assert [refusal.code for refusal in state().operate("operations", [wrong], NOW).refusals] == ["key_mismatch"]
    for value, code in ((None, "null_value"), (b"{", "not_json"), (b"{}", "invalid_operation")):
        refused = state().operate("operations", [Record(0, NOW, TARGET.encode(), value)], NOW).refusals
        assert [refusal.code for refusal in refused] == [code]


def test_a_repeated_event_id_is_a_response_and_no_trial() -> None:
    partition = state()
    for first in (0, 60):
        apply(partition, *(record(offset, event(id=f"response-{offset % 50}")) for offset in range(first, first + 60)))
    [(_, value)] = partition.take_changed()
    target = TrackedTarget.decode(value, TARGET)
    assert target.row.totals()["responses"] == 120
    assert target.state.mixture.gap == 50
    assert target.state.job("extract-099").mixture.gap == 50


def test_a_response_without_an_id_is_refused() -> None:
    nameless = event()
    del nameless["id"]
    [refusal] = apply(state(), record(0, nameless)).refusals
    assert refusal.code == "invalid_event"
    assert "`id`" in refusal.message
