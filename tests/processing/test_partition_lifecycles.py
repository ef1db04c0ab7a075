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
        Record(int(found.operation_id[3:]), NOW, found.scope.target.encode(), msgspec.json.encode(found))
        for found in operations
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


def test_of_several_operations_whose_rows_were_lost_none_is_applied_again_and_what_comes_after_is() -> None:
    """Only the last command of a scope is known after a crash; that it is not of the first one said nothing."""
    before = state()
    opened = apply(before, record(0, event(400)))
    rows = dict(before.take_changed())
    operations = [operation("release", 1), operation("quarantine", 2), operation("extend", 3, hold_s=60)]
    issued = operate(before, *operations)
    assert [command.sequence for command in issued.commands] == [2, 3, 4]
    after = state(rows, latest_command=latest(opened, issued).get)
    (command,) = operate(after, *operations, operation("release", 4)).commands
    assert (command.state, command.sequence) == ("released", 5)


def test_a_400_that_failed_a_probe_does_not_fail_the_next_one_when_it_is_replayed() -> None:
    """Quarantined, probing, quarantined by the 400, probing again; then the worker dies before it wrote its row."""
    before = state()
    opened = apply(before, record(0, event(400)))
    rows = dict(before.take_changed())
    probing = before.tick(NOW + HOLD_MS)
    failed = record(1, event(400, time=NOW + HOLD_MS + 1), timestamp=NOW + HOLD_MS + 1)
    again = apply(before, failed, now_ms=NOW + HOLD_MS + 1)
    later = before.tick(NOW + 3 * HOLD_MS + 10)
    control = latest(opened, probing, again, later)
    assert (control[JOB.id].state, control[JOB.id].sequence) == ("probing", 4)
    after = state(rows, latest_command=control.get)
    assert apply(after, failed, now_ms=NOW + 3 * HOLD_MS + 11).commands == []
    fresh = record(2, event(400, time=NOW + 3 * HOLD_MS + 12), timestamp=NOW + 3 * HOLD_MS + 12)
    (command,) = apply(after, fresh, now_ms=NOW + 3 * HOLD_MS + 12).commands
    assert (command.state, command.sequence) == ("quarantined", 5)


def test_an_operation_on_a_topic_that_was_created_again_is_applied() -> None:
    before = state()
    opened = apply(before, record(0, event(400)))
    issued = operate(before, operation("extend", 1, hold_s=3600), operation("extend", 2, hold_s=7200))
    after = state(dict(before.take_changed()), latest_command=latest(opened, issued).get)
    late = operation("release", 3)
    appended = Record(0, NOW + 3_600_000, TARGET.encode(), msgspec.json.encode(late))
    (command,) = after.operate("operations", [appended], NOW + 3_600_000).commands
    assert command.state == "released"
