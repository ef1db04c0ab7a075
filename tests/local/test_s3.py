"""The local S3 server keeps objects and checks signatures as S3 does."""

import httpx
import pytest
from botocore.exceptions import ClientError

from streams.local import LocalS3
from streams.local.ports import free_ports, is_free

pytestmark = pytest.mark.s3


def test_an_object_comes_back_as_it_was_put(s3: LocalS3, prefix: str) -> None:
    bucket = f"{prefix.strip('.')}-objects"
    s3.create_bucket(bucket)
    client = s3.client()
    client.put_object(Bucket=bucket, Key="2026/a b+ü.json", Body=b"{}", Metadata={"command": "c1"})
    found = client.get_object(Bucket=bucket, Key="2026/a b+ü.json")
    assert found["Body"].read() == b"{}"
    assert found["Metadata"] == {"command": "c1"}
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["2026/a b+ü.json"]


def test_a_bucket_that_is_there_is_no_error(s3: LocalS3, prefix: str) -> None:
    s3.create_bucket(f"{prefix.strip('.')}-twice")
    s3.create_bucket(f"{prefix.strip('.')}-twice")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [({"secret_key": "wrong"}, "SignatureDoesNotMatch"), ({"access_key": "stranger"}, "InvalidAccessKeyId")],
)
def test_a_wrong_signature_is_refused(s3: LocalS3, credentials: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        s3.client(**credentials).list_buckets()


def test_an_unsigned_request_is_refused(s3: LocalS3) -> None:
    assert httpx.get(s3.endpoint_url).status_code == 403


def test_it_listens_on_the_port_that_was_asked_for() -> None:
    [port] = free_ports(1)
    with LocalS3(port) as server:
        assert server.endpoint_url == f"http://127.0.0.1:{port}"
        assert httpx.get(server.endpoint_url).status_code == 403


def test_after_a_kill_it_is_back_on_its_port_with_its_objects() -> None:
    with LocalS3() as server:
        endpoint, directory = server.endpoint_url, server.directory
        server.create_bucket("evidence")
        server.client().put_object(Bucket="evidence", Key="a", Body=b"kept")
        server.kill()
        with pytest.raises(httpx.ConnectError):
            httpx.get(endpoint)
        server.start()
        assert server.endpoint_url == endpoint
        assert server.client().get_object(Bucket="evidence", Key="a")["Body"].read() == b"kept"
    assert is_free(server.port)
    assert not directory.exists()
