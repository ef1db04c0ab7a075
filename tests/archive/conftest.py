"""An archive in a directory, and one on a real S3 server.

With HALT400_TEST_S3_ENDPOINT_URL, HALT400_TEST_S3_ACCESS_KEY_ID and HALT400_TEST_S3_SECRET_ACCESS_KEY set, that server
is used instead of the session's own; HALT400_TEST_S3_KMS_KEY_ID names a key that it can encrypt with. What S3Proxy
lacks is tested on moto, which checks neither signatures nor checksums.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.archive import Archive, open_archive
from streams.settings import ArchiveSettings
from tests.archive.s3_server import S3Server
from tests.archive.scripted_s3 import ScriptedS3


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest) -> S3Server:
    endpoint_url = os.environ.get("HALT400_TEST_S3_ENDPOINT_URL")
    if endpoint_url:
        return S3Server(
            endpoint_url,
            endpoint_url,
            os.environ["HALT400_TEST_S3_ACCESS_KEY_ID"],
            os.environ["HALT400_TEST_S3_SECRET_ACCESS_KEY"],
            kms_key_id=os.environ.get("HALT400_TEST_S3_KMS_KEY_ID"),
        )
    local = request.getfixturevalue("s3")
    return S3Server("S3Proxy", local.endpoint_url, local.access_key, local.secret_key)


@pytest.fixture(scope="session")
def rich_s3(request: pytest.FixtureRequest) -> S3Server:
    """A server with encryption at rest and lifecycle rules: the one in the environment, or moto's."""
    if os.environ.get("HALT400_TEST_S3_ENDPOINT_URL"):
        named: S3Server = request.getfixturevalue("s3")
        return named
    port = request.getfixturevalue("servers")("moto")["port"]
    return S3Server("moto", f"http://127.0.0.1:{port}", "any", "any", kms_key_id="alias/aws/s3")


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.s3)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveSettings:
    if request.param == "file":
        return ArchiveSettings(uri=(tmp_path / "a b%c").as_uri())
    server: S3Server = request.getfixturevalue("s3")
    return server.settings(server.new_bucket())


@pytest.fixture
def archive(settings: ArchiveSettings) -> Archive:
    archive = open_archive(settings)
    archive.check()
    return archive


@pytest.fixture
def scripted_s3() -> Iterator[ScriptedS3]:
    s3_server = ScriptedS3()
    thread = threading.Thread(target=s3_server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield s3_server
    s3_server.released.set()
    s3_server.shutdown()
    thread.join()
    s3_server.server_close()
