"""The benchmark's bars hold in small, and a missed bar is reported."""

import json

import pytest

pytest.importorskip("river", reason="needs the extra bench: pip install -e '.[bench]'")

from benchmarks import detection


def test_the_quick_run_holds_every_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert detection.main(["--quick", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["holds"]
    assert len(report["bars"]) > 30
    assert {row["rule"] for row in report["sections"]["side by side"]} >= {"river ADWIN", "river PageHinkley"}
    assert all(row["pages"] == 0 for row in report["sections"]["false alarms"])


def test_a_missed_bar_is_no_success() -> None:
    report = detection.Report(seed=1, quick=True)
    report.check("a bar", 2.0, holds=True)
    assert report.holds
    report.check("another", 2.0, holds=False)
    assert not report.holds
