"""An archive in a directory, and one on a real S3 server."""

from pathlib import Path
from secrets import token_hex

import pytest

from streams.archive import Archive, open_archive
from streams.local import LocalS3
from streams.settings import ArchiveSettings


@pytest.fixture(params=["file", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveSettings:
    if request.param == "file":
        return ArchiveSettings(uri=(tmp_path / "a b%c").as_uri())
    server: LocalS3 = request.getfixturevalue("s3")
    bucket = f"evidence-{token_hex(4)}"
    server.create_bucket(bucket)
    return ArchiveSettings(
        uri=f"s3://{bucket}/halt400/v1",
        endpoint_url=server.endpoint_url,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
    )


@pytest.fixture
def archive(settings: ArchiveSettings) -> Archive:
    archive = open_archive(settings)
    archive.check()
    return archive
