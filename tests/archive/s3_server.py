"""The S3 server that the archive's tests run on: the session's own, or any other that the environment names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from streams.settings import ArchiveSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Server"]


@dataclass(frozen=True)
class S3Server:
    """A server, and credentials that may do anything there.

    Attributes
    ----------
    kms_key_id
        A key that it can encrypt with, None where none was named.
    """

    name: str
    endpoint_url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    kms_key_id: str | None = None

    def client(self) -> "S3Client":
        """Make a boto3 client: tests look with it at what Halt400 has written, from the outside."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """Create a bucket of a name of its own."""
        name = f"evidence-{token_hex(4)}"
        self.client().create_bucket(Bucket=name)
        return name

    def settings(self, bucket: str, prefix: str = "halt400/v1", **changed: object) -> ArchiveSettings:
        """The settings of an archive there."""
        given: dict[str, object] = {
            "uri": f"s3://{bucket}/{prefix}",
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
        }
        return ArchiveSettings(**{**given, **changed})  # type: ignore[arg-type]

    def variables(self, bucket: str, prefix: str = "halt400/v1", **changed: str) -> dict[str, str]:
        """The same for a process."""
        return {
            "HALT400_ARCHIVE_URI": f"s3://{bucket}/{prefix}",
            "HALT400_ARCHIVE_ENDPOINT_URL": self.endpoint_url,
            "HALT400_ARCHIVE_REGION": self.region,
            "HALT400_ARCHIVE_ACCESS_KEY_ID": self.access_key,
            "HALT400_ARCHIVE_SECRET_ACCESS_KEY": self.secret_key,
        } | {f"HALT400_ARCHIVE_{name.upper()}": value for name, value in changed.items()}

    @contextmanager
    def skipped_without(self, what: str) -> Iterator[None]:
        """Skip the test where the server answers that it has no such thing."""
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 501:
                pytest.skip(f"{self.name} has no {what}")
            raise

    @contextmanager
    def skipped_with(self, what: str) -> Iterator[None]:
        """Skip the test where the server has such a thing."""
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 501:
                raise
        else:
            pytest.skip(f"{self.name} has {what}")
