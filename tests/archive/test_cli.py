"""The commands of `halt400 archive`, run as processes."""

import json
from pathlib import Path

import pytest
from faust.types import TP

from halt400.exchanges.resend import raw_request
from streams import topics
from streams.archive import har_of, open_archive
from streams.archive.object_names import manifest_key, object_key
from streams.archive.offence_archiver import redact_and_cut
from streams.archive.sampling import is_kept
from streams.settings import ArchiveSettings, KafkaSettings, Settings
from streams.topics import apply_topics
from tests.archive.offences import (
    BODY,
    REDACTION_KEY,
    SECRETS,
    OffenceRecord,
    archive_records,
    key_of,
    offence,
    publish,
    redactor,
)
from tests.cli.command import run

pytestmark = pytest.mark.slow


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"HALT400_ARCHIVE_URI": (tmp_path / "x").as_uri(), "HALT400_ARCHIVE_REDACTION_KEY": REDACTION_KEY}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    archive = open_archive(ArchiveSettings(uri=(tmp_path / "x").as_uri()))
    key = object_key(offence().source, "..\\x1b[31m", 0)
    archive.write(key, har_of(redact_and_cut(redactor, offence(target="..\\x1b[31m"))))
    return archive.uri(key)


async def test_show_prints_the_offence_without_secrets(uri: str, variables: dict[str, str]) -> None:
    outcome = await run("archive", "show", uri, **variables)
    assert outcome.code == 0
    for said in ("malformed_json", "Remove the comma.", "extract-099", "> POST https://api.shop.example", "< 400"):
        assert said in outcome.out
    assert "\x1b" not in outcome.out
    for secret in SECRETS:
        assert secret not in outcome.out


async def test_show_raw_prints_the_request_byte_for_byte(uri: str, variables: dict[str, str]) -> None:
    outcome = await run("archive", "show", "--raw", uri, **variables)
    assert outcome.out.encode() == raw_request(redactor.request(offence().event.request))


async def test_har_prints_the_object_unchanged(uri: str, variables: dict[str, str], tmp_path: Path) -> None:
    outcome = await run("archive", "har", uri, **variables)
    written = await run("archive", "har", uri, "-o", str(tmp_path / "a.har"), **variables)
    assert written.code == outcome.code == 0
    assert json.loads(outcome.out) == json.loads((tmp_path / "a.har").read_text())
    assert json.loads(outcome.out)["log"]["version"] == "1.2"


async def test_curl_prints_no_secret_unless_requested(variables: dict[str, str], tmp_path: Path) -> None:
    archive = open_archive(ArchiveSettings(uri=(tmp_path / "x").as_uri()))
    archive.write("t/d/never-redacted.har", har_of(offence()))
    uri = archive.uri("t/d/never-redacted.har")
    outcome = await run("archive", "curl", uri, **variables)
    assert outcome.out.startswith("curl ")
    for secret in SECRETS:
        assert secret not in outcome.out
    asked = await run("archive", "curl", "--as-archived", uri, **variables)
    assert BODY in asked.out


async def test_a_missing_object_is_a_one_line_error(variables: dict[str, str], tmp_path: Path) -> None:
    for uri in ((tmp_path / "x" / "t" / "nothing.har").as_uri(), "nonsense"):
        outcome = await run("archive", "show", uri, **variables)
        assert outcome.code == 1
        assert outcome.err.startswith("halt400: ")


async def test_init_creates_a_directory_and_says_how_to_remove_old_evidence(
    variables: dict[str, str], tmp_path: Path
) -> None:
    outcome = await run("archive", "init", **variables)
    assert outcome.code == 0
    assert (tmp_path / "x").is_dir()
    outcome = await run("archive", "init", "--keep-days", "30", **variables)
    assert outcome.code == 1
    assert "find " in outcome.err


async def test_verify_compares_the_archive_with_the_whole_log(
    kafka: str, prefix: str, tmp_path: Path, variables: dict[str, str]
) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=2))
    empty = await run("archive", "verify", settings=settings, **variables)
    assert empty.code == 1
    assert "topics apply" in empty.err
    await apply_topics(settings.kafka)
    offences = [offence(number, target=f"t{number % 5}.example") for number in range(300)]
    await publish(settings.kafka, offences)

    archive = open_archive(ArchiveSettings(uri=(tmp_path / "x").as_uri()))
    records = [OffenceRecord(number, one) for number, one in enumerate(offences)]
    assert await archive_records(archive, TP(settings.kafka.topic(topics.OFFENCES), 0), records) == 300

    outcome = await run("archive", "verify", settings=settings, **variables)
    assert outcome.code == 0, outcome.out + outcome.err
    assert "300 offences in the log, 300 sound" in outcome.out

    gone = key_of(offences[7])
    (tmp_path / "x" / gone).unlink()
    outcome = await run("archive", "verify", "--format", "json", settings=settings, **variables)
    assert outcome.code == 1
    found = json.loads(outcome.out)
    assert (found["sound"], found["missing"], found["whole"]) == (299, [archive.uri(gone)], False)


async def test_an_offence_that_was_sampled_out_is_counted_and_is_not_called_missing(
    kafka: str, prefix: str, tmp_path: Path, variables: dict[str, str]
) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=1))
    await apply_topics(settings.kafka)
    offences = [offence(number) for number in range(60)]
    await publish(settings.kafka, offences)
    archive, topic = open_archive(ArchiveSettings(uri=(tmp_path / "x").as_uri())), settings.kafka.topic(topics.OFFENCES)
    records = [OffenceRecord(number, one) for number, one in enumerate(offences)]
    await archive_records(archive, TP(topic, 0), records, storm_keep=20)

    verified = await run("archive", "verify", settings=settings, **variables)
    assert verified.code == 0, verified.out + verified.err
    kept = sum(is_kept(number, 20) for number in range(1, 61))
    assert f"60 offences in the log, {kept} sound" in verified.out
    assert f"{60 - kept} were sampled out" in verified.out

    keys = [key_of(one) for one in offences]
    manifest = archive.uri(manifest_key(offences[0].target, offences[0].event.time, topic, 0))
    for command in ("show", "har", "curl"):
        left_out = await run("archive", command, archive.uri(keys[24]), settings=settings, **variables)
        assert left_out.code == 1
        for said in ("was not kept", f"number 25 of signature {'cd' * 16}", f"Of 60 offences of {offences[0].target}"):
            assert said in left_out.err
        assert manifest in left_out.err
    unknown = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"topic_prefix": "none."})})
    without_log = await run("archive", "show", archive.uri(keys[24]), settings=unknown, **variables)
    assert "was not kept" in without_log.err
    for number, name in ((99, "halt400.responses-3"), (24, "halt400.responses-2")):
        never = archive.uri(f"{keys[24].rpartition('/')[0]}/{name}-{number:020d}.har")
        assert "was not kept" not in (await run("archive", "show", never, settings=settings, **variables)).err

    (tmp_path / "x" / keys[5]).unlink()
    verified = await run("archive", "verify", "--format", "json", settings=settings, **variables)
    found = json.loads(verified.out)
    assert (found["sound"], found["sampled_out"], found["missing"]) == (kept - 1, 60 - kept, [archive.uri(keys[5])])
    archive.write(keys[5], har_of(redact_and_cut(redactor, offences[5])))
    archive.write(keys[24], har_of(redact_and_cut(redactor, offences[24])))
    found = json.loads((await run("archive", "verify", "--format", "json", settings=settings, **variables)).out)
    assert (found["sound"], found["miscounted"], found["whole"]) == (kept + 1, [manifest], False)
