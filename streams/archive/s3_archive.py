"""An archive in an S3 bucket: ``s3://bucket/prefix``, on AWS or any server with the same protocol."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from halt400.errors import ArchiveError
from streams.archive.interface import ArchiveChanged, checked_key
from streams.archive.object_names import archive_uri
from streams.archive.s3_errors import as_archive_error, error_status

__all__ = ["S3Archive"]

CHECKSUM = "sha256"
"""User metadata with the object's SHA-256, for servers that store no checksums."""
RULE_ID = "halt400-retention"
CHECK_KEY = ".halt400"
"""The object that `check` writes; it is not listed."""


class S3Archive:
    """Objects in a bucket, encrypted at rest as configured, with a checksum that the server verifies on each upload.

    Parameters
    ----------
    endpoint_url, region, access_key_id, secret_access_key
        As for boto3; None: boto3's own sources (environment, profile, instance role).
    server_side_encryption, kms_key_id
        ``AES256`` or ``aws:kms``, and the key for the latter.
    parallel
        Most connections at a time.
    timeout_s
        How long to wait for an answer; after that the request is sent again.
    """

    batch = 1
    max_threads = 1024

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
        if kms_key_id and server_side_encryption != "aws:kms":
            raise ArchiveError(
                f"The KMS key {kms_key_id} would encrypt nothing.",
                "Set HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION=aws:kms, or unset HALT400_ARCHIVE_KMS_KEY_ID.",
            )
        self._conditional = True
        self._options: dict[str, Any] = {}
        if server_side_encryption:
            self._options["ServerSideEncryption"] = server_side_encryption
        if kms_key_id:
            self._options["SSEKMSKeyId"] = kms_key_id
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region or boto3.Session().region_name or ("us-east-1" if endpoint_url else None),
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                max_pool_connections=parallel,
                connect_timeout=min(5.0, timeout_s),
                read_timeout=timeout_s,
                # boto3's standard mode: exponential backoff with jitter. The writer retries what fails after that.
                retries={"mode": "standard", "max_attempts": 3},
                s3={"addressing_style": "path"} if endpoint_url else {},
            ),
        )
        # boto3 would send `Expect: 100-continue` and wait for the answer: a round trip more for a few kilobytes.
        self._s3.meta.events.register_last("before-call.s3", _without_expect)

    def check(self) -> None:
        """Put an object, get it, and list the bucket: all operations that a worker needs, with encryption at rest."""
        self._put(CHECK_KEY, b"{}")
        self._get(CHECK_KEY)
        self._call("list_objects_v2", Prefix=self._full(CHECK_KEY), MaxKeys=1)

    def write(self, key: str, data: bytes) -> None:
        """Put an object; the server verifies the checksum."""
        self._put(key, data)

    def write_all(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """Put one object after the other."""
        for key, data in objects:
            self._put(key, data)

    def read(self, key: str) -> bytes:
        """Get an object and verify its checksum.

        Raises
        ------
        ArchiveError
            There is no such object, or its content is not what was written.
        """
        return self._get(key)[0]

    def read_with_tag(self, key: str) -> tuple[bytes, str] | None:
        """Get an object with its entity tag."""
        try:
            return self._get(key)
        except ArchiveError as error:
            if error_status(error) == 404:
                return None
            raise

    def replace(self, key: str, data: bytes, tag: str | None) -> str:
        """Put an object under a condition; without one on a server that has no conditional writes."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            return self._put(key, data, **(condition if self._conditional else {}))
        except ArchiveError as error:
            if error_status(error) in {404, 409, 412}:
                raise ArchiveChanged(f"{self.uri(key)} was written by another process.", "It is read again.") from error
            if error_status(error) != 501 or not self._conditional:
                raise
            self._conditional = False
            return self._put(key, data)

    def replace_all(self, objects: Sequence[tuple[str, bytes, str | None]]) -> list[str | None]:
        """Replace one object after the other."""
        tags: list[str | None] = []
        for key, data, tag in objects:
            try:
                tags.append(self.replace(key, data, tag))
            except ArchiveChanged:
                tags.append(None)
        return tags

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
        requested, applied = self._options.get("ServerSideEncryption"), answer.get("ServerSideEncryption")
        if requested is not None and applied != requested:
            raise ArchiveError(
                f"{self.uri(key)} was to be encrypted by {requested}; the server reports {applied or 'no encryption'}.",
                "Archive to a server that encrypts, or unset HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION.",
            )
        return str(answer.get("ETag", ""))

    def _get(self, key: str) -> tuple[bytes, str]:
        answer = self._call("get_object", Key=self._full(key), ChecksumMode="ENABLED")
        data = self._guarded(answer["Body"].read)
        stored = answer.get("Metadata", {}).get(CHECKSUM)
        if stored is not None and sha256(data).hexdigest() != stored:
            raise ArchiveError(
                f"{self.uri(key)} is not what was written: its SHA-256 is not {stored}.",
                "Restore an earlier version of the object, and check who can write to the bucket.",
            )
        return bytes(data), str(answer.get("ETag", ""))

    def exists(self, key: str) -> bool:
        """Whether there is such an object, by a HEAD request."""
        try:
            self._call("head_object", Key=self._full(key))
        except ArchiveError as error:
            if error_status(error) == 404:
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
                if found["Key"] != base + CHECK_KEY:
                    yield found["Key"][len(base) :]
            if not page.get("IsTruncated"):
                return
            options["ContinuationToken"] = page["NextContinuationToken"]

    def uri(self, key: str) -> str:
        """The ``s3://bucket/…`` URI of that key."""
        return archive_uri(self.base_uri, key)

    def set_retention(self, days: int) -> None:
        """Set a lifecycle rule for this prefix; the other rules of the bucket stay as they are."""
        try:
            found = self._call("get_bucket_lifecycle_configuration")
        except ArchiveError as error:
            if "NoSuchLifecycleConfiguration" not in str(error):
                raise
            found = {}
        rule_id = (f"{RULE_ID}-{self._prefix}" if self._prefix else RULE_ID)[:255]
        rule = {
            "ID": rule_id,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{self._prefix}/" if self._prefix else ""},
            "Expiration": {"Days": days},
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        rules = [*(other for other in found.get("Rules", ()) if other.get("ID") != rule_id), rule]
        # This field is for all rules of the bucket, and a PUT without it resets it to S3's default.
        name = "TransitionDefaultMinimumObjectSize"
        unchanged = {name: found[name]} if name in found else {}
        self._call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}, **unchanged)

    def _full(self, key: str) -> str:
        checked_key(key)
        return f"{self._prefix}/{key}" if self._prefix else key

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._guarded(getattr(self._s3, operation), Bucket=self._bucket, **arguments)

    def _guarded(self, function: Any, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return function(**arguments)
        except (BotoCoreError, ClientError) as error:
            by_kms = self._options.get("ServerSideEncryption") == "aws:kms"
            raise as_archive_error(error, self.base_uri, by_kms=by_kms) from error


def _without_expect(params: dict[str, Any], **_: Any) -> None:
    params["headers"].pop("Expect", None)
