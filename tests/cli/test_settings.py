import json
from pathlib import Path

import pytest

from streams.settings import Settings, load_settings
from streams.settings.catalogue import SettingEntry, catalogue, settings_page

from .command import run


def variables() -> list[str]:
    return [entry.variable for entry in catalogue(Settings())]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_every_setting_says_what_it_does() -> None:
    for entry in catalogue(Settings()):
        assert entry.description.endswith("."), entry.variable


def test_the_page_has_every_setting_and_nothing_of_this_machine() -> None:
    page = settings_page()
    for name in variables():
        assert f"| `{name}` |" in page
    assert str(Path.cwd()) not in page


@pytest.mark.parametrize("variable", variables())
def test_every_listed_variable_is_read_from_the_environment_and_from_a_file(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (entry,) = [entry for entry in catalogue(Settings()) if entry.variable == variable]
    value = OTHER.get(variable) or other(entry)
    file = tmp_path / "value"
    file.write_text(f"{value}\n")
    for name, text in ((variable, value), (f"{variable}_FILE", str(file))):
        with monkeypatch.context() as patch:
            patch.setenv(name, text)
            for needed, given in NEEDED.get(variable, {}).items():
                patch.setenv(needed, given)
            (found,) = [found for found in catalogue(load_settings()) if found.variable == variable]
            assert found.value == ("(hidden)" if entry.secret else value)


OTHER = {
    "HALT400_METRICS_PORT": "9400",
    "HALT400_ARCHIVE_URI": "s3://evidence/halt400",
    "HALT400_ARCHIVE_REDACTION_KEY": "at least sixteen bytes",
    "HALT400_API_ENABLED": "false",
    "HALT400_TRACES_ENABLED": "true",
    "HALT400_WORKER_NATIVE": "false",
    "HALT400_WORKER_PROCESSES": "2",
    "HALT400_API_SESSION_KEY": "at least thirty-two bytes, of chance",
}
NEEDED = {
    "HALT400_KAFKA_SASL_MECHANISM": {"HALT400_KAFKA_SASL_TOKEN_COMMAND": "print-token"},
    "HALT400_KAFKA_SECURITY_PROTOCOL": {"HALT400_KAFKA_SASL_USERNAME": "u", "HALT400_KAFKA_SASL_PASSWORD": "p"},
}


def other(entry: SettingEntry) -> str:
    """A valid value that is not the default."""
    if entry.choices:
        return entry.choices[-1]
    try:
        return f"{float(entry.default) + 2:g}"
    except ValueError:
        return "other"


@pytest.mark.slow
async def test_the_command_shows_what_is_in_effect_and_hides_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    outcome = await run(
        "settings",
        "--format",
        "json",
        HALT400_API_TOKEN_FILE=str(secret),
        HALT400_ARCHIVE_SECRET_ACCESS_KEY="s3cret",
        HALT400_DETECTION_HOLD_S="60",
    )
    assert outcome.code == 0, outcome.err
    assert "s3cret" not in outcome.out
    found = {entry["variable"]: entry for entry in json.loads(outcome.out)}
    assert found["HALT400_API_TOKEN"]["value"] == "(hidden)"
    assert found["HALT400_DETECTION_HOLD_S"]["value"] == "60"
    assert found["HALT400_DETECTION_HOLD_S"]["default"] == "900"

    changed = await run("settings", "--changed", HALT400_DETECTION_HOLD_S="60", HALT400_API_TOKEN="s3cret")
    assert [line.split()[:2] for line in changed.lines[2:]] == [
        ["HALT400_DETECTION_HOLD_S", "60"],
        ["HALT400_API_TOKEN", "(hidden)"],
    ]


@pytest.mark.slow
async def test_a_wrong_setting_is_one_line_with_its_name_value_and_mend() -> None:
    outcome = await run("settings", HALT400_API_PORT="many")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "HALT400_API_PORT='many'" in outcome.err
    unknown = await run("settings", HALT400_API_PROT="8400")
    assert "HALT400_API_PROT: there is no such setting" in unknown.err


@pytest.mark.slow
async def test_a_secret_is_never_in_the_error_of_its_section() -> None:
    outcome = await run("settings", HALT400_KAFKA_SECURITY_PROTOCOL="SASL_SSL", HALT400_KAFKA_SASL_PASSWORD="hunter2")
    assert outcome.code == 1
    assert "needs sasl_username" in outcome.err
    assert "hunter2" not in outcome.err
