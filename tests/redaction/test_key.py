"""The redaction key: configured, or created once for this machine and readable only by its owner."""

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from halt400.errors import SettingError
from streams.archive.redaction import redactor_of
from streams.archive.redaction_key import key_path, redaction_key, warn_of_own_key
from streams.settings import ArchiveSettings, Settings
from tests.cli.command import run

GIVEN = "a key from the vault, long enough"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALT400_STATE_DIR", str(tmp_path / "state" / "halt400"))


def test_a_configured_key_is_used_and_none_is_created() -> None:
    assert redaction_key(ArchiveSettings(redaction_key=SecretStr(GIVEN))) == GIVEN.encode()
    assert not key_path().exists()


def test_without_one_a_key_is_created_once_and_only_its_owner_can_read_it() -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: redaction_key(ArchiveSettings()), range(8)))
    keys.add(redaction_key(ArchiveSettings()))
    (key,) = keys
    assert len(key) == 64
    assert stat.S_IMODE(key_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(key_path().parent.stat().st_mode) == 0o700
    assert [path.name for path in key_path().parent.iterdir()] == ["redaction.key"]


def test_two_machines_have_different_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = redaction_key(ArchiveSettings())
    monkeypatch.setenv("HALT400_STATE_DIR", str(tmp_path / "other"))
    assert redaction_key(ArchiveSettings()) != first


def test_a_key_that_others_can_read_is_refused() -> None:
    redaction_key(ArchiveSettings())
    key_path().chmod(0o640)
    with pytest.raises(SettingError, match="can be read by others") as caught:
        redaction_key(ArchiveSettings())
    assert "chmod 600" in str(caught.value.mend)


def test_a_key_that_is_too_short_is_refused() -> None:
    redaction_key(ArchiveSettings())
    key_path().write_text("short\n")
    with pytest.raises(SettingError, match="shorter than"):
        redaction_key(ArchiveSettings())


def test_where_none_can_be_stored_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HALT400_STATE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(SettingError) as caught:
        redaction_key(ArchiveSettings())
    assert "HALT400_ARCHIVE_REDACTION_KEY" in caught.value.mend


def test_a_warning_is_logged_for_a_shared_archive_with_the_key_of_one_machine(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = redaction_key(ArchiveSettings()).decode()
    warn_of_own_key(ArchiveSettings(uri="s3://evidence/halt400"))
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "HALT400_ARCHIVE_REDACTION_KEY_FILE" in warning.getMessage()
    assert made not in caplog.text
    caplog.clear()
    warn_of_own_key(ArchiveSettings(uri="file:///var/lib/halt400"))
    warn_of_own_key(ArchiveSettings(uri="s3://evidence/halt400", redaction_key=SecretStr(GIVEN)))
    assert not caplog.records


@pytest.mark.slow
async def test_the_key_is_in_no_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    redactor = redactor_of(Settings())
    key = key_path().read_text().strip()
    assert key not in repr(redactor)
    state = str(key_path().parent)
    for arguments in (("settings",), ("settings", "--format", "json")):
        outcome = await run(*arguments, HALT400_STATE_DIR=state, HALT400_ARCHIVE_REDACTION_KEY=GIVEN)
        assert outcome.code == 0, outcome.err
        assert GIVEN not in outcome.out + outcome.err
        assert key not in outcome.out + outcome.err
