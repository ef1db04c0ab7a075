"""What misled an operator who was new to it, each as a test; some of them need an API, and are in other files.

- `halt400 quarantines` did not say that its data is stale while Kafka is away: tests/cli/test_kafka_away.py.
- `alerts ack` wanted a key that nothing lists: `test_alerts_list_shows_the_key_that_ack_takes` in test_queries.py.
- "Did you mean" offered an unrelated host: `test_an_unrelated_host_is_not_offered_for_an_unknown_target` there.
"""

import logging
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from halt400.cli import main
from halt400.errors import SettingError
from streams.alerts.config import NO_ALERTS, parse_alerts
from streams.alerts.sink_settings import SINK_KINDS
from streams.alerts.text import format_time
from streams.cli.output import moment
from streams.detection import explain
from streams.doctor.settings_checks import check_settings
from streams.processing.decoding import Refusal
from streams.processing.refusal_log import RefusalLog
from streams.settings import load_settings
from streams.settings.catalogue import catalogue
from streams.toml_file import TomlFile
from tests.detection.test_encoding import STORED, STRICT, decode_target_state

from .test_every_command import end

SOURCES = Path(__file__).parents[2] / "streams"
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"


@pytest.mark.parametrize("line", ["alerts routes", "alerts test"])
def test_without_a_configuration_no_route_is_listed_and_no_test_succeeds(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, err = end(line, monkeypatch, capsys)
    assert code == 1
    assert err.startswith("halt400: No alerts are sent: there is no halt400.toml here.")
    assert "[alerts]" in NO_ALERTS  # what the worker says of the same: it does not contradict


def test_no_time_names_its_zone_twice() -> None:
    assert moment(1_763_870_400_000, now_ms=1_763_870_400_000) == "04:00:00Z"
    assert format_time(1_763_870_400_000) == "2025-11-23 04:00:00Z"
    twice = re.compile(r"%SZ UTC|%S ?Z? UTCZ?Z|(?:moment|format_time)\([^()]*\)\}? UTC")
    found = [path.name for path in SOURCES.rglob("*.py") if twice.search(path.read_text())]
    assert found == []
    assert twice.search('f"until {time:%H:%M:%SZ UTC}"')
    assert twice.search('f"until {moment(command.expires_at)} UTC"')


@pytest.mark.parametrize("line", ["quarantines --state nope", "rates --window 7m"])
def test_a_wrong_value_ends_with_two_whatever_the_command(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(line, monkeypatch, capsys)[0] == 2


def test_a_kafka_that_is_away_is_said_in_one_sentence_whatever_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HALT400_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    lines = (
        "explain a.example",
        "what-if a.example",
        "topics check",
        "dead-letters list",
        "release job/a/b --reason r",
    )
    said = {end(line, monkeypatch, capsys)[1] for line in lines}
    assert said == {
        "halt400: No Kafka broker answers at 127.0.0.1:1. "
        "Start it, or correct HALT400_KAFKA_BOOTSTRAP_SERVERS or HALT400_KAFKA_SECURITY_PROTOCOL.\n"
    }


def test_the_doctor_names_the_setting_that_a_misspelt_variable_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALT400_CONFG_PATH", "halt400.toml")
    monkeypatch.setenv("HALT400_SCRAPERS_OWN", "x")
    (warning,) = [found for found in check_settings(load_settings()) if found.check == "settings" and found.mend]
    assert (warning.status, warning.mend) == ("warning", "Did you mean HALT400_CONFIG_PATH?")
    assert "HALT400_CONFG_PATH" in warning.detail


@pytest.mark.slow
def test_settings_at_their_defaults_are_no_empty_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for entry in catalogue(load_settings()):
        monkeypatch.delenv(entry.variable, raising=False)
    monkeypatch.setattr("sys.argv", ["halt400", "settings", "--changed"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == "Every setting is at its default.\n"


def test_a_wrong_kind_of_sink_is_answered_with_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "halt400.toml"
    path.write_text('[alerts.sink.s]\nkind = "pigeon"\n')
    with pytest.raises(SettingError) as caught:
        parse_alerts(TomlFile.read(path))
    assert all(kind in caught.value.mend for kind in SINK_KINDS)
    assert len(SINK_KINDS) > 4


def test_an_explanation_as_json_names_all_that_it_holds() -> None:
    def positional(value: Any) -> list[Any]:
        """The arrays whose elements mean something by their place: of numbers, or of several types."""
        if isinstance(value, dict):
            return [found for inner in value.values() for found in positional(inner)]
        if not isinstance(value, list | tuple):
            return []
        kinds = {type(inner) for inner in value}
        mixed = [value] if len(kinds) > 1 or kinds & {int, float, list, tuple} else []
        return mixed + [found for inner in value for found in positional(inner)]

    assert positional({"tiers": [["job", 0.5, 1e6]]})
    explanation = msgspec.to_builtins(explain(decode_target_state(STORED), STRICT, 1_700_000_960_000))
    assert explanation["reading"]["tiers"]
    assert positional(explanation) == []


def test_refusals_have_a_line_in_the_log_and_an_alert(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    log = RefusalLog("halt400.responses.dlq")
    log.count("halt400.responses", 3, Refusal(msgspec.defstruct("Record", ["offset"])(7), "invalid_event", "no id"))
    log.report()
    (line,) = caplog.messages
    assert "invalid_event" in line
    assert "halt400.responses.dlq" in line
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert any("halt400_refusals_total" in rule["expr"] and "alert" in rule for rule in rules)
