"""What `S3Archive` sends to a server, and what it says of the errors that come back."""

import pytest

from halt400.errors import ArchiveError
from streams.archive.interface import ArchiveUnavailable
from streams.archive.s3_archive import S3Archive
from tests.archive.scripted_s3 import ScriptedS3


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_every_upload_requests_the_configured_encryption(scripted_s3: ScriptedS3, encryption: str) -> None:
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{scripted_s3.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption=encryption,
        kms_key_id="key-7" if encryption == "aws:kms" else None,
    )
    for write in (lambda: archive.write("t/d/1.har", b"1"), lambda: archive.replace("t/d/m.manifest.json", b"2", None)):
        write()
        headers = {name.lower(): value for name, value in scripted_s3.headers.items()}
        assert headers["x-amz-server-side-encryption"] == encryption
        assert headers.get("x-amz-server-side-encryption-aws-kms-key-id") == (
            "key-7" if encryption == "aws:kms" else None
        )
        assert "x-amz-checksum-sha256" in headers


def test_a_server_that_does_not_encrypt_as_requested_is_an_error(scripted_s3: ScriptedS3) -> None:
    scripted_s3.encrypts = False
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{scripted_s3.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption="AES256",
    )
    for use in (archive.check, lambda: archive.write("t/d/1.har", b"1"), lambda: archive.replace("t/d/m", b"2", None)):
        with pytest.raises(ArchiveError, match="was to be encrypted by AES256") as caught:
            use()
        assert "HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION" in caught.value.mend


@pytest.mark.parametrize("encryption", [None, "AES256"])
def test_a_kms_key_that_would_encrypt_nothing_is_refused(encryption: str | None) -> None:
    with pytest.raises(ArchiveError) as caught:
        S3Archive("s3://evidence/x", server_side_encryption=encryption, kms_key_id="key-7")
    assert caught.value.mend.startswith("Set HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION=aws:kms")


@pytest.mark.parametrize(
    ("given", "searched", "signed"),
    [(None, None, "us-east-1"), (None, "eu-central-1", "eu-central-1"), ("garage", "eu-central-1", "garage")],
)
def test_requests_are_signed_for_the_configured_region_or_that_of_boto3(
    scripted_s3: ScriptedS3, monkeypatch: pytest.MonkeyPatch, given: str | None, searched: str | None, signed: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if searched is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", searched)
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{scripted_s3.server_port}",
        region=given,
        access_key_id="a",
        secret_access_key="b",
    )
    archive.write("t/d/1.har", b"1")
    assert f"/{signed}/s3/aws4_request" in scripted_s3.headers["Authorization"]


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "AccessDenied", ArchiveError, "Give these credentials the right s3:PutObject"),
        (400, "KMS.NotFoundException", ArchiveError, "Correct HALT400_ARCHIVE_KMS_KEY_ID."),
        (500, "InternalError", ArchiveUnavailable, "HALT400_ARCHIVE_KMS_KEY_ID must name a key that it has."),
        (400, "AuthorizationHeaderMalformed", ArchiveError, "Correct HALT400_ARCHIVE_REGION."),
    ],
)
def test_the_error_of_a_refusal_says_what_to_do(
    scripted_s3: ScriptedS3, status: int, code: str, kind: type[ArchiveError], said: str
) -> None:
    scripted_s3.answers, scripted_s3.code = [status] * 10, code
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{scripted_s3.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption="aws:kms",
        kms_key_id="no-such-key",
    )
    with pytest.raises(ArchiveError) as caught:
        archive.check()
    assert type(caught.value) is kind
    assert said in caught.value.mend
