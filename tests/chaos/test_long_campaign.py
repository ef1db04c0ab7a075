"""A campaign over many sittings: a line for each run, seed after seed until there is enough, and its report."""

from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.__main__ import _kinds, _parser, _seeds
from chaos.campaign_log import CampaignAim, LoggedRun, add_run, code_version, kinds_short_of, next_seed, read_runs
from chaos.report_section import BEGIN, END, NOT_YET, section, write_section
from chaos.schedule import KINDS
from chaos.summary import CampaignSummary

AIM = CampaignAim(each=2, events=100)


def run(seed: int, events: int, violations: tuple[str, ...] = (), mend: str = "", **faults: int) -> LoggedRun:
    summary = CampaignSummary(
        seed=seed,
        seconds=60.0,
        took_s=120.0,
        events=events,
        bad_requests=3,
        offences_repeated=1,
        commands=2,
        commands_repeated=0,
        faults=faults,
        recoveries_s={kind: [0.5] * times for kind, times in faults.items()},
        skipped={"disk_full": "mounting is not permitted"},
        violations=list(violations),
    )
    name = f"seed-{seed}"
    return LoggedRun(code="abc", at="2026-01-01T00:00:00+00:00", name=name, setting={}, summary=summary, mend=mend)


def given(*arguments: str, kinds: tuple[str, ...] = ("poison", "kill_worker", "disk_full")) -> Any:
    found = _parser().parse_args(arguments)
    found.kinds, found.aim = list(kinds), AIM
    return found


def test_it_goes_on_until_each_kind_that_is_possible_and_the_events_are_enough() -> None:
    long = given("--seed", "7", "--each", "2", "--total", "100")
    runs: list[LoggedRun] = []
    taken = []
    for seed in islice(_seeds(long, [], runs), 10):
        taken.append(seed)
        runs.append(run(seed, 30, poison=1, kill_worker=2))
    assert taken == [7, 8, 9, 10]


def test_a_further_sitting_begins_behind_the_runs_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    assert read_runs(path) == []
    for one in (first := run(409, 30, poison=2), second := run(404, 30, ("(1) lost",), kill_worker=1)):
        add_run(path, one)
    assert read_runs(path) == [first, second]
    long = given("--log", str(path), "--each", "2", "--total", "100")
    assert list(islice(_seeds(long, [first, second], []), 2)) == [410, 411]
    assert next_seed([], 400) == next_seed([msgspec.structs.replace(first, name="lost_answers")], 400) == 400
    assert list(_seeds(given("--log", str(path), "--each", "2", "--sitting", "0"), [first], [])) == []
    path.write_text("{}\n")
    with pytest.raises(ValueError, match="line 1 is no run of a campaign"):
        read_runs(path)


def test_kinds_that_are_wanting_come_first() -> None:
    runs = [run(7, 30, poison=2, kill_worker=1)]
    kinds = ["poison", "kill_worker", "disk_full"]
    assert kinds_short_of(AIM, [one.summary for one in runs], kinds) == ["kill_worker"]
    assert _kinds(given(), runs) == kinds
    slow = ("poison", "kill_worker", "delete_topic", "disk_full")
    assert _kinds(given(kinds=slow), [run(7, 30, poison=2, kill_worker=2)]) == ["delete_topic"]
    many = tuple(KINDS)
    assert _kinds(given(kinds=many), runs) == [kind for kind in many if kind not in {"poison", "disk_full"}]


def test_without_a_wish_for_more_the_seeds_are_those_that_were_asked_for() -> None:
    assert list(_seeds(given("--seed", "3", "1"), [], [])) == [3, 1]
    assert list(_seeds(given(), [], [])) == [400]


def test_a_run_names_the_commit_of_its_code() -> None:
    assert code_version() == "unknown" or int(code_version().rstrip("+"), 16)


def test_the_report_adds_up_what_the_runs_had(tmp_path: Path) -> None:
    runs = [run(7, 30_000, poison=1), run(8, 1_000, ("(1) lost | found",), poison=2), run(11, 9, ("(2) x",), mend="z")]
    page, aim = tmp_path / "page.md", CampaignAim(each=3, events=310_090)
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no lines"):
        write_section(page, runs, aim)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter")
    write_section(page, runs, aim)
    text = page.read_text()
    assert text == f"before\n{BEGIN}\n\n{section(runs, aim)}\n{END}\nafter"
    for line in (
        "Together: 3 runs in 0.1 hours, 31,009 events, 3 faults, 2 violations.",
        f"The aim is 3 faults of each kind: 1 of {len(KINDS)} kinds have them, the rarest is `kill_worker` with 0.",
        "The aim is 310,090 events: 10.0% of them have been.",
        "At the pace of these runs the rest takes 3 hours.",
        "| abc | 3 | 7-8, 11 | 3 | 3 | 31,009 | 9 (3 offences written again) | 6 (0 written again) | 2 |",
        "| `poison` | records that are no events, of 32 kinds, and one of 7.9 MiB | 3 | 0.5 s | 0.5 s |",
        f"| seed-8 | abc | 1: (1) lost \\| found | {NOT_YET} |",
        "| seed-11 | abc | 1: (2) x | z |",
    ):
        assert line in text
    assert "(not possible in these runs: mounting is not permitted) | 0 | - | - |" in text
    assert section(runs[:1], CampaignAim()).endswith("\nNo violation.\n")


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[2].glob("chaos/campaign.jsonl")), ids=lambda path: path.name
)
def test_the_campaign_that_is_kept_is_what_the_page_reports(path: Path) -> None:
    page = path.parents[1] / "docs" / "reliability.md"
    assert section(read_runs(path), CampaignAim(100, 20_000_000)) in page.read_text()
