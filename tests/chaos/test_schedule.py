"""Schedules of faults: the same for the same seed, readable, and shrunk to what still fails."""

from collections import Counter
from pathlib import Path

import pytest

from chaos.schedule import KINDS, SLOW, Fault, draw, read_schedule, read_seed, shrink, write_schedule

SCHEDULES = Path(__file__).parents[2] / "chaos" / "schedules"


def test_the_same_seed_draws_the_same_faults_and_each_kind_comes_before_any_comes_again() -> None:
    faults = draw(7, 600.0)
    assert faults == draw(7, 600.0) != draw(8, 600.0)
    assert {fault.kind for fault in faults[: len(KINDS)]} == KINDS.keys()
    counts = Counter(fault.kind for fault in faults)
    assert max(counts.values()) - min(counts[kind] for kind in KINDS.keys() - SLOW) <= 1
    assert {counts[kind] for kind in SLOW} <= {1, 2}
    assert {fault.kind for fault in draw(7, 60.0, sorted(SLOW))} == SLOW
    for fault in faults:
        kind = KINDS[fault.kind]
        assert kind.shortest_s <= fault.for_s <= kind.longest_s
        assert fault.at_s + fault.for_s <= 600.0
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)


def test_a_schedule_is_read_as_it_was_written() -> None:
    faults = draw(7, 120.0)
    text = f"# seed 7\n\n{write_schedule(faults)}"
    assert (read_seed(text), read_schedule(text)) == (7, faults)


@pytest.mark.parametrize("line", ["5 kill_worker 0", "5 no_such_kind 0 1", "x kill_worker 0 1", "5 kill_worker 0 1 2"])
def test_a_line_that_is_no_fault_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="is no fault: write SECONDS KIND WHICH DURATION"):
        read_schedule(line)


@pytest.mark.parametrize("path", sorted(SCHEDULES.rglob("*.txt")), ids=lambda path: path.stem)
def test_a_schedule_that_found_a_defect_can_be_run_again(path: Path) -> None:
    """``make chaos-replay`` runs all of them, in minutes each; it says what it found."""
    text = path.read_text()
    faults = read_schedule(text)
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert len([line for line in text.splitlines() if line.startswith("# ")]) > 1


async def test_shrinking_ends_with_the_faults_that_fail_together() -> None:
    faults = draw(7, 600.0)
    guilty, runs = {faults[3], faults[41]}, 0

    async def fails(some: list[Fault]) -> bool:
        nonlocal runs
        runs += 1
        return guilty <= set(some)

    assert set(await shrink(faults, fails)) == guilty
    assert runs < len(faults)


async def test_a_schedule_of_one_fault_is_the_smallest() -> None:
    async def fails(some: list[Fault]) -> bool:
        raise AssertionError("nothing to leave out")

    faults = [Fault(3.0, "kill_worker", 0, 1.0)]
    assert await shrink(faults, fails) == faults
