import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.replay.conftest import Replay, exchange
from tests.replay.test_access_log import COMBINED, _line
from tests.replay.test_har import _entry, _har


def _report(replay: Replay, *arguments: str) -> dict[str, Any]:
    result = replay("--dry-run", "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.slow
def test_every_job_of_the_recorded_apis_with_a_400_is_quarantined_once(corpora: Path, replay: Replay) -> None:
    files = sorted((corpora / "recorded_api").glob("*.jsonl"))
    recorded = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    expected = Counter(f"{found['source']}/{found['file']}" for found in recorded if found["status"] == 400)
    report = _report(replay, *map(str, files))
    assert report["events"] == len(recorded) == 1251
    assert len(expected) == 163
    assert sum(found["bad_requests"] for found in report["quarantines"]) == sum(expected.values())
    jobs = [found for found in report["quarantines"] if found["command"]["scope"]["kind"] == "job"]
    assert {found["job_id"] for found in jobs} == expected.keys()
    assert len(jobs) == 163
    targets = {found["target"] for found in report["quarantines"] if found["command"]["scope"]["kind"] == "target"}
    # Two recordings hold one failing test after another, each a job of its own: to the detector the target is broken.
    assert targets == {"api.datadoghq.com", "oauth.reddit.com"}
    assert report["unread"] == report["refused"] == 0


@pytest.mark.slow
def test_a_real_log_without_a_400_quarantines_nothing(corpora: Path, replay: Replay) -> None:
    report = _report(replay, str(corpora / "access_logs" / "elastic_apache_logs"))
    assert (report["events"], report["quarantines"]) == (10_000, [])


def test_an_old_log_has_its_own_clock(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "access.log"
    later = COMBINED.replace("10:05:03", "10:09:00")
    after_the_hold = COMBINED.replace("10:05:03", "10:21:00")
    path.write_text("\n".join((COMBINED, later, after_the_hold)))
    first, second = _report(replay, str(path))["quarantines"]
    assert (first["at"], first["until"]) == ("2015-05-17T08:05:03.000Z", "2015-05-17T08:22:03.000Z")
    assert (first["bad_requests"], second["bad_requests"]) == (2, 1)
    assert (second["command"]["sequence"], second["until"]) == (3, "2015-05-17T08:53:00.000Z")


def test_files_of_different_years_each_have_their_own_clock(tmp_path: Path, replay: Replay) -> None:
    new, old = tmp_path / "new.har", tmp_path / "old.log"
    new.write_text(_har(_entry()))
    old.write_text(COMBINED)
    quarantines = _report(replay, str(new), str(old))["quarantines"]
    assert [found["at"][:4] for found in quarantines] == ["2024", "2015"]


def test_bytes_of_a_tls_handshake_halt_no_other_job(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "access.log"
    path.write_text(_line(r"\x16\x03\x01") + "\n" + _line("GET /products HTTP/1.1", status="200"))
    (found,) = _report(replay, str(path))["quarantines"]
    assert found["job_id"] == "access.log (unreadable request line)"


@pytest.mark.slow
def test_standard_input_is_read() -> None:
    packed = gzip.compress(exchange(source=None, file=None).encode())
    call = [
        sys.executable,
        "-c",
        "from halt400.cli import main; main()",
        "replay",
        "-",
        "--dry-run",
        "--format",
        "json",
    ]
    done = subprocess.run(call, input=packed, capture_output=True, check=True)
    assert [found["job_id"] for found in json.loads(done.stdout)["quarantines"]] == ["stdin"]


def test_the_caller_s_job_is_the_one_that_is_quarantined(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f"{exchange()}\n{exchange(file='other')}\n")
    (found,) = _report(replay, str(path), "--job", "night-7", "--target", "Shop")["quarantines"]
    assert (found["scope_id"], found["bad_requests"]) == ("job/shop/night-7", 2)


def test_the_table_says_what_when_and_why(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "session.har"
    path.write_text(_har(_entry()))
    result = replay("--dry-run", str(path))
    assert result.exit_code == 0
    for said in ("session.har", "api.shop.example", "POST https://api.shop.example", "2024-05-01 10:00:00", "10:17:00"):
        assert said in result.stdout


def test_nothing_from_a_file_reaches_the_terminal_as_a_control_character(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "evil.jsonl"
    path.write_text(
        exchange(file="\x1b]0;owned\x07", url="https://a.example/[red]\x1b[2J") + "\n" + '{"method": "\x1b[31m"}'
    )
    result = replay("--dry-run", str(path))
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "[red]" in result.stdout


def test_an_unreadable_line_is_printed_with_its_place_and_counted(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([exchange(), *["{"] * 30, exchange()]))
    result = replay("--dry-run", "--format", "json", str(path))
    assert result.exit_code == 0
    assert "x.jsonl, line 2: " in result.stderr
    assert "10 more" in result.stderr
    assert json.loads(result.stdout)["unread"] == 30


def test_strict_stops_at_the_first_bad_line(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f"{exchange()}\n{{\n{exchange()}\n")
    result = replay("--dry-run", "--strict", str(path))
    assert result.exit_code == 1
    assert "line 2" in str(result.exception)


def test_nothing_read_is_a_failure(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n{}\n")
    result = replay("--dry-run", str(path))
    assert result.exit_code == 1
    assert "No event could be read" in str(result.exception)


def test_a_missing_file_stops_the_replay_before_it_begins(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(exchange())
    result = replay("--dry-run", str(path), str(tmp_path / "absent"))
    assert result.exit_code == 1
    assert "absent" in str(result.exception)
    assert result.stdout == ""


def test_arguments_that_make_no_sense_are_refused(replay: Replay) -> None:
    assert replay("--speed", "0", "x").exit_code == 2
    assert replay("--speed", "nan", "x").exit_code == 2
    assert replay("--dry-run", "--times", "shift", "x").exit_code == 2
    assert replay("--dry-run", "--input", "pcap", "x").exit_code == 2


def test_each_policy_is_compared_by_what_it_would_have_saved(tmp_path: Path, replay: Replay) -> None:
    path = tmp_path / "x.jsonl"
    started = 1_760_000_000_000
    statuses = [200] * 400 + [400] * 3 + [200] * 7
    path.write_text(
        "\n".join(
            json.dumps(
                {
                    "id": f"e{number}",
                    "time": started + number * 1000,
                    "target": "api.shop.example",
                    "job_id": "extract-099",
                    "request": {"method": "GET", "url": f"https://api.shop.example/products?page={number}"},
                    "response": {"status": status},
                    "duration_ms": 500,
                }
            )
            for number, status in enumerate(statuses)
        )
    )
    report = _report(replay, str(path))
    strict, evidence = report["policies"]["strict"], report["policies"]["evidence"]
    assert (strict["jobs_held"], strict["requests_saved"], strict["proxy_time_saved_s"]) == (1, 9, 4.5)
    assert (evidence["jobs_held"], evidence["requests_held"], evidence["requests_saved"]) == (0, 3, 0)
    assert strict["logical_requests"] == evidence["logical_requests"] == 410
    assert strict["false_job_holds_bound"] is None
    assert evidence["false_job_holds_bound"] == 410 / 1e9
    assert evidence["false_pages_bound"] == 410 / 8.64e10
    assert "What each policy would have done" in replay("--dry-run", str(path)).stdout
