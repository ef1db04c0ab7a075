"""An archive in a bucket of a real S3 server: refusals, checksums, encryption at rest, retention."""

import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from halt400.errors import ArchiveError
from streams.archive import Archive, har_of, open_archive
from streams.archive.interface import ArchiveChanged, ArchiveUnavailable
from streams.archive.offence_archiver import redact_and_cut
from streams.settings import KafkaSettings, Settings
from streams.topics import apply_topics
from tests.archive.offences import REDACTION_KEY, key_of, offence, publish, redactor
from tests.archive.s3_server import S3Server
from tests.cli.command import run

KEY = "t/2026-01-01/r-0-1.har"
THEIRS = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def rich_bucket(rich_s3: S3Server) -> str:
    return rich_s3.new_bucket()


def uses(archive: Archive) -> list[Callable[[], Any]]:
    return [archive.check, lambda: archive.write(KEY, b"x"), lambda: archive.replace(KEY, b"x", None)]


@pytest.mark.parametrize(
    ("changed", "mend"),
    [
        ({"secret_access_key": "wrong"}, "Correct HALT400_ARCHIVE_SECRET_ACCESS_KEY."),
        ({"access_key_id": "nobody"}, "Correct HALT400_ARCHIVE_ACCESS_KEY_ID."),
        ({"uri": "s3://no-such-bucket-here/x"}, "Make the bucket, or correct HALT400_ARCHIVE_URI."),
    ],
)
def test_a_wrong_setting_is_refused_and_the_error_names_it(
    s3: S3Server, bucket: str, changed: dict[str, object], mend: str
) -> None:
    for use in uses(open_archive(s3.settings(bucket, **changed))):
        with pytest.raises(ArchiveError) as caught:
            use()
        assert not isinstance(caught.value, ArchiveUnavailable), caught.value
        assert caught.value.mend == mend


async def test_init_names_the_setting_of_a_wrong_secret(s3: S3Server, bucket: str) -> None:
    outcome = await run("archive", "init", **s3.variables(bucket, secret_access_key="wrong"))
    assert outcome.code == 1
    assert outcome.out == ""
    assert "Correct HALT400_ARCHIVE_SECRET_ACCESS_KEY." in outcome.err


def test_a_server_that_does_not_answer_is_unavailable(s3: S3Server, bucket: str) -> None:
    for use in uses(open_archive(s3.settings(bucket, endpoint_url="http://127.0.0.1:9"))):
        with pytest.raises(ArchiveUnavailable):
            use()


def test_an_upload_that_arrives_damaged_is_refused(s3: S3Server, bucket: str) -> None:
    wrong = b64encode(sha256(b"what was sent").digest()).decode()
    with pytest.raises(s3.client().exceptions.ClientError, match="BadDigest"):
        s3.client().put_object(Bucket=bucket, Key="x", Body=b"what arrived", ChecksumSHA256=wrong)


def test_a_changed_object_is_noticed(s3: S3Server, bucket: str) -> None:
    archive = open_archive(s3.settings(bucket, "x"))
    archive.write(KEY, b"evidence")
    with_its_checksum = s3.client().head_object(Bucket=bucket, Key=f"x/{KEY}")["Metadata"]
    s3.client().put_object(Bucket=bucket, Key=f"x/{KEY}", Body=b"forged", Metadata=with_its_checksum)
    with pytest.raises(ArchiveError, match="SHA-256"):
        archive.read(KEY)


def test_a_listing_of_many_pages_is_complete(s3: S3Server, bucket: str) -> None:
    archive = open_archive(s3.settings(bucket))
    keys = [f"t/2026-01-01/r-0-{number:04d}.har" for number in range(1010)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: archive.write(key, b"x"), keys))
    assert list(archive.keys()) == keys


async def test_verify_and_show_tell_what_happened_to_the_objects(
    kafka: str, prefix: str, s3: S3Server, bucket: str
) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=1))
    variables = s3.variables(bucket, "x", redaction_key=REDACTION_KEY)
    archive, offences = open_archive(s3.settings(bucket, "x")), [offence(number) for number in range(5)]
    keys = [key_of(one) for one in offences]
    await apply_topics(settings.kafka)
    await publish(settings.kafka, offences)
    for one, key in zip(offences, keys, strict=True):
        archive.write(key, har_of(redact_and_cut(redactor, one)))
    outcome = await run("archive", "verify", settings=settings, **variables)
    assert outcome.code == 0, outcome.out + outcome.err
    assert "5 offences in the log, 5 sound" in outcome.out

    checksum = s3.client().head_object(Bucket=bucket, Key=f"x/{keys[1]}")["Metadata"]
    s3.client().put_object(Bucket=bucket, Key=f"x/{keys[1]}", Body=b"{}", Metadata=checksum)
    archive.write(keys[2], archive.read(keys[2]).replace(b"product", b"forgery"))
    s3.client().delete_object(Bucket=bucket, Key=f"x/{keys[3]}")
    outcome = await run("archive", "verify", "--format", "json", settings=settings, **variables)
    assert outcome.code == 1
    found = json.loads(outcome.out)
    assert found["sound"] == 2
    assert found["unreadable"] == [archive.uri(keys[1])]
    assert found["different"] == [archive.uri(keys[2])]
    assert found["missing"] == [archive.uri(keys[3])]
    for key, said in ((keys[0], "malformed_json"), (keys[1], "is not what was written"), (keys[3], "NoSuchKey")):
        outcome = await run("archive", "show", archive.uri(key), settings=settings, **variables)
        assert said in outcome.out + outcome.err


@pytest.fixture(params=["AES256", "aws:kms"])
def encryption(request: pytest.FixtureRequest, rich_s3: S3Server, rich_bucket: str) -> dict[str, str]:
    """Settings of an encryption that the server has."""
    with rich_s3.skipped_without("encryption at rest"):
        rich_s3.client().put_object(Bucket=rich_bucket, Key="probe", Body=b"", ServerSideEncryption="AES256")
    if request.param == "AES256":
        return {"server_side_encryption": "AES256"}
    if rich_s3.kms_key_id is None:
        pytest.skip("HALT400_TEST_S3_KMS_KEY_ID names no key")
    return {"server_side_encryption": "aws:kms", "kms_key_id": rich_s3.kms_key_id}


def test_evidence_and_manifests_are_encrypted_as_configured(
    rich_s3: S3Server, rich_bucket: str, encryption: dict[str, str]
) -> None:
    archive, manifest = open_archive(rich_s3.settings(rich_bucket, "x", **encryption)), "t/2026-01-01/r-0.manifest.json"
    archive.check()
    archive.write(KEY, b"evidence")
    tag = archive.replace(manifest, b"one", None)
    assert archive.read_with_tag(manifest) == (b"one", tag)
    archive.replace(manifest, b"two", tag)
    with pytest.raises(ArchiveChanged):
        archive.replace(manifest, b"late", tag)
    for key, data in ((KEY, b"evidence"), (manifest, b"two")):
        head = rich_s3.client().head_object(Bucket=rich_bucket, Key=f"x/{key}")
        assert head["ServerSideEncryption"] == encryption["server_side_encryption"]
        assert head.get("SSEKMSKeyId", "").endswith(encryption.get("kms_key_id", ""))
        assert archive.read(key) == data


async def test_init_on_a_server_without_encryption_is_an_error(s3: S3Server, bucket: str) -> None:
    with s3.skipped_with("encryption at rest"):
        s3.client().put_object(Bucket=bucket, Key="probe", Body=b"", ServerSideEncryption="AES256")
    outcome = await run("archive", "init", **s3.variables(bucket, server_side_encryption="AES256"))
    assert outcome.code == 1
    assert outcome.out == ""
    assert "This server cannot do that." in outcome.err


async def test_init_sets_the_rule_of_its_prefix_and_leaves_the_others_as_they_are(
    rich_s3: S3Server, rich_bucket: str
) -> None:
    with rich_s3.skipped_without("lifecycle rules"):
        rich_s3.client().put_bucket_lifecycle_configuration(
            Bucket=rich_bucket,
            LifecycleConfiguration={"Rules": [THEIRS]},
            TransitionDefaultMinimumObjectSize="varies_by_storage_class",
        )
    before = rich_s3.client().get_bucket_lifecycle_configuration(Bucket=rich_bucket)
    for prefix, days in (("a", "30"), ("a", "90"), ("a-", "60"), ("", "365")):
        outcome = await run("archive", "init", "--keep-days", days, **rich_s3.variables(rich_bucket, prefix))
        assert outcome.code == 0, outcome.err
        assert outcome.lines[-1] == f"Evidence is removed after {days} days."
    found = rich_s3.client().get_bucket_lifecycle_configuration(Bucket=rich_bucket)
    assert found["Rules"][0] == THEIRS
    assert {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in found["Rules"]} == {
        "logs/": 7,
        "a/": 90,
        "a-/": 60,
        "": 365,
    }
    # moto has 128 KB whatever is asked for; SeaweedFS and Amazon keep what was.
    assert found["TransitionDefaultMinimumObjectSize"] == before["TransitionDefaultMinimumObjectSize"]


async def test_init_sets_the_first_rule_of_a_bucket(rich_s3: S3Server, rich_bucket: str) -> None:
    with rich_s3.skipped_without("lifecycle rules"):
        rich_s3.client().delete_bucket_lifecycle(Bucket=rich_bucket)
    outcome = await run("archive", "init", "--keep-days", "30", **rich_s3.variables(rich_bucket, "x"))
    assert outcome.code == 0, outcome.err
    assert rich_s3.client().get_bucket_lifecycle_configuration(Bucket=rich_bucket)["Rules"] == [
        {
            "ID": "halt400-retention-x",
            "Status": "Enabled",
            "Filter": {"Prefix": "x/"},
            "Expiration": {"Days": 30},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]


async def test_init_on_a_server_without_lifecycle_rules_is_an_error(s3: S3Server, bucket: str) -> None:
    with s3.skipped_with("lifecycle rules"):
        s3.client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [THEIRS]})
    outcome = await run("archive", "init", "--keep-days", "30", **s3.variables(bucket, "x"))
    assert outcome.code == 1
    assert "This server cannot do that." in outcome.err
    assert outcome.lines == [f"s3://{bucket}/x can be written."]
