"""An archive in an S3 bucket: ``s3://bucket/prefix``, on AWS or any server that speaks its protocol."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from halt400.errors import ArchiveError
from streams.archive.naming import archive_uri
from streams.archive.port import ArchiveAway, ArchiveChanged, checked_key

__all__ = ["BucketArchive"]

MENDS = {
    "AccessDenied": "Give these credentials the right to put objects there.",
    "AllAccessDisabled": "The bucket is disabled; ask its owner.",
    "ExpiredToken": "Renew the credentials.",
    "InvalidAccessKeyId": "Correct HALT400_ARCHIVE_ACCESS_KEY_ID.",
    "InvalidBucketName": "Correct HALT400_ARCHIVE_URI.",
    "KMS.DisabledException": "Enable the KMS key.",
    "KMS.NotFoundException": "Correct HALT400_ARCHIVE_KMS_KEY_ID.",
    "NoSuchBucket": "Make the bucket, or correct HALT400_ARCHIVE_URI.",
    "NoSuchKey": "There is no such object.",
    "NotImplemented": "This server cannot do that.",
    "PermanentRedirect": "Correct HALT400_ARCHIVE_REGION.",
    "SignatureDoesNotMatch": "Correct HALT400_ARCHIVE_SECRET_ACCESS_KEY.",
    "404": "There is no such bucket or object.",
    "403": "Check the credentials and their rights.",
}
"""What mends S3's errors that no retry does."""

PASSING = {
    "BadDigest",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
"""S3's errors of the 4xx kind that a retry can mend; any other 4xx is refused again however often it is sent."""

CHECKSUM = "sha256"
"""User metadata with the object's SHA-256, for servers that keep no checksums."""
RULE_ID = "halt400-retention"


class BucketArchive:
    """Objects in a bucket, encrypted at rest as asked, with a checksum that the server verifies on the way in.

    Parameters
    ----------
    endpoint_url, region, access_key_id, secret_access_key
        As boto3 takes them; None takes boto3's own sources (environment, profile, instance role).
    server_side_encryption, kms_key_id
        ``AES256`` or ``aws:kms``, and the key of the latter.
    parallel
        Connections kept open.
    timeout_s
        An answer that takes longer is given up, and the object sent again.
    """

    batch = 1
    most_parallel = 1024

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
        timeout_s: float = 30.0,
    ) -> None:
        import boto3
        from botocore.config import Config

        parts = urlsplit(base_uri)
        self.base_uri = base_uri.rstrip("/")
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        if not self._bucket:
            raise ArchiveError(f"The archive {base_uri} names no bucket.", "Write s3://bucket/prefix.")
        self._conditional = True
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
                connect_timeout=min(5.0, timeout_s),
                read_timeout=timeout_s,
                # boto3's standard mode: exponential backoff with jitter. What outlasts it is the writer's to wait for.
                retries={"mode": "standard", "max_attempts": 3},
                s3={"addressing_style": "path"} if endpoint_url else {},
            ),
        )
        # Without it an upload first asks whether it may upload: one more way there and back for a few kilobytes.
        self._s3.meta.events.register_last("before-call.s3", _without_asking)

    def check(self) -> None:
        """Ask for the bucket."""
        self._call("head_bucket")

    def write(self, key: str, data: bytes) -> None:
        """Put an object; the server compares the checksum with what arrived."""
        self._put(key, data)

    def read(self, key: str) -> bytes:
        """Get an object and compare its checksum.

        Raises
        ------
        ArchiveError
            There is none, or it is not what was written.
        """
        return self._get(key)[0]

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Get an object with its entity tag."""
        try:
            return self._get(key)
        except ArchiveError as error:
            if _refusal(error) == 404:
                return None
            raise

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Put an object under a condition; a server that knows no conditional writes puts it without one."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            return self._put(key, data, **(condition if self._conditional else {}))
        except ArchiveError as error:
            if _refusal(error) in {404, 409, 412}:
                raise ArchiveChanged(f"{self.uri(key)} was written by another process.", "It is read again.") from error
            if _refusal(error) != 501 or not self._conditional:
                raise
            self._conditional = False
            return self._put(key, data)

    def _put(self, key: str, data: bytes, **condition: str) -> str:
        digest = sha256(data)
        answer = self._call(
            "put_object",
            Key=self._full(key),
            Body=data,
            ContentType="application/json",
            ChecksumSHA256=b64encode(digest.digest()).decode(),
            Metadata={CHECKSUM: digest.hexdigest()},
            **self._options,
            **condition,
        )
        return str(answer.get("ETag", ""))

    def _get(self, key: str) -> tuple[bytes, str]:
        answer = self._call("get_object", Key=self._full(key), ChecksumMode="ENABLED")
        data = self._guarded(answer["Body"].read)
        stored = answer.get("Metadata", {}).get(CHECKSUM)
        if stored is not None and sha256(data).hexdigest() != stored:
            raise ArchiveError(
                f"{self.uri(key)} is not what was written: its SHA-256 is not {stored}.",
                "Restore it from a version of the bucket, and see who can write there.",
            )
        return bytes(data), str(answer.get("ETag", ""))

    def exists(self, key: str) -> bool:
        """Ask for the object's head."""
        try:
            self._call("head_object", Key=self._full(key))
        except ArchiveError as error:
            if _refusal(error) == 404:
                return False
            raise
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        """List the bucket, a page at a time."""
        base = f"{self._prefix}/" if self._prefix else ""
        options: dict[str, Any] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=base + prefix, **options)
            for found in page.get("Contents", ()):
                yield found["Key"][len(base) :]
            if not page.get("IsTruncated"):
                return
            options["ContinuationToken"] = page["NextContinuationToken"]

    def uri(self, key: str) -> str:
        """``s3://bucket/…`` of that key."""
        return archive_uri(self.base_uri, key)

    def keep_for(self, days: int) -> None:
        """Set a lifecycle rule for this prefix; the bucket's other rules stay as they are."""
        try:
            rules = self._call("get_bucket_lifecycle_configuration").get("Rules", [])
        except ArchiveError as error:
            if "NoSuchLifecycleConfiguration" not in str(error):
                raise
            rules = []
        rule_id = f"{RULE_ID}-{self._prefix}".rstrip("-")[:255]
        rule = {
            "ID": rule_id,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{self._prefix}/" if self._prefix else ""},
            "Expiration": {"Days": days},
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        rules = [*(other for other in rules if other.get("ID") != rule_id), rule]
        self._call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})

    def _full(self, key: str) -> str:
        checked_key(key)
        return f"{self._prefix}/{key}" if self._prefix else key

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._guarded(getattr(self._s3, operation), Bucket=self._bucket, **arguments)

    def _guarded(self, function: Any, **arguments: Any) -> Any:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            FlexibleChecksumError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )

        try:
            return function(**arguments)
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ArchiveError(
                f"The archive {self.base_uri} needs credentials: {error}.",
                "Set HALT400_ARCHIVE_ACCESS_KEY_ID and HALT400_ARCHIVE_SECRET_ACCESS_KEY, or boto3's own.",
            ) from error
        except ParamValidationError as error:
            raise ArchiveError(f"The archive {self.base_uri}: {error}.", "Correct HALT400_ARCHIVE_URI.") from error
        except FlexibleChecksumError as error:
            raise ArchiveError(
                f"The archive {self.base_uri}: {error}.", "The object is damaged: restore it from a version."
            ) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = _status(error)
            refused = code in MENDS or status == 501 or (400 <= status < 500 and status not in {408, 429})
            if refused and code not in PASSING:
                mend = MENDS.get(code, "It is refused however often it is sent; see the store's answer.")
                raise ArchiveError(f"The archive {self.base_uri}: {error}.", mend) from error
            raise ArchiveAway(f"The archive {self.base_uri}: {error}.", "It is tried again.") from error
        except BotoCoreError as error:
            raise ArchiveAway(f"The archive {self.base_uri}: {error}.", "It is tried again.") from error


def _without_asking(params: dict[str, Any], **_: Any) -> None:
    params["headers"].pop("Expect", None)


def _refusal(error: ArchiveError) -> int | None:
    """The status of the server's answer that led to the error, None where it was not one."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    if not isinstance(cause, ClientError) or cause.response.get("Error", {}).get("Code") == "NoSuchBucket":
        return None
    return _status(cause)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
