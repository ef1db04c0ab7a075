"""An archive in an S3 bucket: ``s3://bucket/prefix``, on AWS or any server that speaks its protocol."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from halt400.errors import ArchiveError
from streams.archive.port import ArchiveAway

__all__ = ["BucketArchive"]

PERMANENT = {
    "AccessDenied": "Give these credentials the right to put objects there.",
    "AllAccessDisabled": "The bucket is disabled; ask its owner.",
    "ExpiredToken": "Renew the credentials.",
    "InvalidAccessKeyId": "Correct HALT400_ARCHIVE_ACCESS_KEY_ID.",
    "InvalidBucketName": "Correct HALT400_ARCHIVE_URI.",
    "KMS.DisabledException": "Enable the KMS key.",
    "KMS.NotFoundException": "Correct HALT400_ARCHIVE_KMS_KEY_ID.",
    "NoSuchBucket": "Make the bucket, or correct HALT400_ARCHIVE_URI.",
    "NoSuchKey": "There is no such object.",
    "PermanentRedirect": "Correct HALT400_ARCHIVE_REGION.",
    "SignatureDoesNotMatch": "Correct HALT400_ARCHIVE_SECRET_ACCESS_KEY.",
    "404": "There is no such bucket or object.",
    "403": "Check the credentials and their rights.",
}
"""S3's error codes that no retry mends, and what does."""


class BucketArchive:
    """Objects in a bucket, encrypted at rest as asked, with a checksum that the server verifies.

    Parameters
    ----------
    endpoint_url, region, access_key_id, secret_access_key
        As boto3 takes them; None takes boto3's own sources (environment, profile, instance role).
    server_side_encryption, kms_key_id
        ``AES256`` or ``aws:kms``, and the key of the latter.
    parallel
        Connections kept open.
    """

    batch = 1

    def __init__(
        self,
        base_uri: str,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        server_side_encryption: str | None = None,
        kms_key_id: str | None = None,
        parallel: int = 64,
    ) -> None:
        import boto3
        from botocore.config import Config

        parts = urlsplit(base_uri)
        self.base_uri = base_uri.rstrip("/")
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        if not self._bucket:
            raise ArchiveError(f"The archive {base_uri} names no bucket.", "Write s3://bucket/prefix.")
        self._options: dict[str, Any] = {}
        if server_side_encryption:
            self._options["ServerSideEncryption"] = server_side_encryption
        if kms_key_id:
            self._options["SSEKMSKeyId"] = kms_key_id
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region or ("us-east-1" if endpoint_url else None),
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                max_pool_connections=parallel,
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "max_attempts": 3},
                s3={"addressing_style": "path"} if endpoint_url else {},
            ),
        )

    def check(self) -> None:
        """Ask for the bucket."""
        self._call("head_bucket", Bucket=self._bucket)

    def write(self, key: str, data: bytes) -> None:
        """Put an object."""
        self._call(
            "put_object",
            Bucket=self._bucket,
            Key=self._full(key),
            Body=data,
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
            **self._options,
        )

    def read(self, key: str) -> bytes:
        """Get an object."""
        answer = self._call("get_object", Bucket=self._bucket, Key=self._full(key), ChecksumMode="ENABLED")
        data: bytes = answer["Body"].read()
        return data

    def keys(self, prefix: str = "") -> Iterator[str]:
        """List the bucket, a page at a time."""
        start = len(self._prefix) + 1 if self._prefix else 0
        options: dict[str, Any] = {}
        while True:
            page = self._call("list_objects_v2", Bucket=self._bucket, Prefix=self._full(prefix), **options)
            for found in page.get("Contents", ()):
                yield found["Key"][start:]
            if not page.get("IsTruncated"):
                return
            options["ContinuationToken"] = page["NextContinuationToken"]

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            return getattr(self._s3, operation)(**arguments)
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ArchiveError(
                f"The archive {self.base_uri} needs credentials: {error}.",
                "Set HALT400_ARCHIVE_ACCESS_KEY_ID and HALT400_ARCHIVE_SECRET_ACCESS_KEY, or boto3's own.",
            ) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            mend = PERMANENT.get(code)
            if mend is None:
                raise ArchiveAway(f"The archive {self.base_uri}: {error}.", "It is tried again.") from error
            raise ArchiveError(f"The archive {self.base_uri}: {error}.", mend) from error
        except BotoCoreError as error:
            raise ArchiveAway(f"The archive {self.base_uri}: {error}.", "It is tried again.") from error
