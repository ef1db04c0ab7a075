"""A long campaign: seed after seed until there is enough, and a report of what stays of each."""

from itertools import islice
from pathlib import Path

import pytest

from chaos.__main__ import _parser, _seeds
from chaos.report import BEGIN, END, section, write_section
from chaos.summary import CampaignSummary, read_summary, write_summary


def summary(seed: int, events: int, **faults: int) -> CampaignSummary:
    return CampaignSummary(
        seed=seed,
        seconds=60.0,
        events=events,
        bad_requests=3,
        offences_repeated=1,
        commands=2,
        commands_repeated=0,
        faults=faults,
        recoveries_s={kind: [0.5] * times for kind, times in faults.items()},
        skipped={"disk_full": "mounting is not permitted"},
        violations=[],
    )


def test_it_goes_on_until_each_kind_that_is_possible_and_the_events_are_enough() -> None:
    given = _parser().parse_args(["--seed", "7", "--each", "2", "--total", "100"])
    given.kinds = ["poison", "kill_worker", "disk_full"]
    runs: list[CampaignSummary] = []
    taken = []
    for seed in islice(_seeds(given, runs), 10):
        taken.append(seed)
        runs.append(summary(seed, 30, poison=1, kill_worker=2))
    assert taken == [7, 8, 9, 10]


def test_without_a_wish_for_more_the_seeds_are_those_that_were_asked_for() -> None:
    given = _parser().parse_args(["--seed", "3", "1"])
    given.kinds = ["poison"]
    assert list(_seeds(given, [])) == [3, 1]


def test_what_stays_of_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_summary(tmp_path) is None
    write_summary(tmp_path, found := summary(7, 30, poison=1))
    assert read_summary(tmp_path) == found


def test_the_report_adds_up_what_the_runs_had(tmp_path: Path) -> None:
    runs = [summary(7, 30_000, poison=1), summary(8, 1_000, poison=2)]
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no lines"):
        write_section(page, runs)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter")
    write_section(page, runs)
    text = page.read_text()
    assert text == f"before\n{BEGIN}\n\n{section(runs)}\n{END}\nafter"
    assert "Together: 31,000 events, 3 faults, 0 violations." in text
    assert "| `poison` | records that are no events, of 30 kinds, and one of 7.9 MiB | 3 | 0.5 s | 0.5 s |" in text
