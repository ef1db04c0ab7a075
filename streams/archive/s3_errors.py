"""Turns boto3's errors into errors of the archive: unavailable and worth a retry, or refused, with what to do."""

from typing import Any

from halt400.errors import ArchiveError
from streams.archive.interface import ArchiveUnavailable

__all__ = ["as_archive_error", "error_status"]

MENDS = {
    "AllAccessDisabled": "The bucket is disabled; ask its owner.",
    "AuthorizationHeaderMalformed": "Correct HALT400_ARCHIVE_REGION.",
    "ExpiredToken": "Renew the credentials.",
    "InvalidAccessKeyId": "Correct HALT400_ARCHIVE_ACCESS_KEY_ID.",
    "InvalidBucketName": "Correct HALT400_ARCHIVE_URI.",
    "KMS.DisabledException": "Enable the KMS key.",
    "KMS.NotFoundException": "Correct HALT400_ARCHIVE_KMS_KEY_ID.",
    "KMSKeyDisabledException": "Enable the KMS key.",
    "KMSKeyNotFoundException": "Correct HALT400_ARCHIVE_KMS_KEY_ID.",
    "NoSuchBucket": "Make the bucket, or correct HALT400_ARCHIVE_URI.",
    "NoSuchKey": "There is no such object.",
    "NotImplemented": "This server cannot do that.",
    "PermanentRedirect": "Correct HALT400_ARCHIVE_REGION.",
    "SignatureDoesNotMatch": "Correct HALT400_ARCHIVE_SECRET_ACCESS_KEY.",
    "404": "There is no such bucket or object.",
}
"""What to do about S3's errors that no retry helps against."""

RIGHTS = {
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetObject": "s3:GetObject and s3:ListBucket (kms:Decrypt where a KMS key encrypts)",
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "PutObject": "s3:PutObject (kms:GenerateDataKey where a KMS key encrypts)",
}
"""The right that each operation needs."""

RETRYABLE = {
    "BadDigest",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
}
"""S3's errors with a 4xx status for which a retry may help; any other 4xx is final."""

UNAVAILABLE = "A worker tries again by itself; if the error stays, see the store's log."


def as_archive_error(error: Exception, base_uri: str, *, by_kms: bool = False) -> ArchiveError:
    """Translate an error of boto3.

    Parameters
    ----------
    error
        A ``ClientError`` or ``BotoCoreError`` of botocore.
    base_uri
        The archive, for the message.
    by_kms
        Whether uploads are encrypted by aws:kms.

    Returns
    -------
    ArchiveError
        An `ArchiveUnavailable` where the same call may succeed later.
    """
    from botocore.exceptions import (
        ClientError,
        FlexibleChecksumError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    message = f"The archive {base_uri}: {str(error).rstrip('.')}."
    if isinstance(error, ClientError):
        return _of_response(error, message, by_kms=by_kms)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ArchiveError(
            f"The archive {base_uri} needs credentials: {str(error).rstrip('.')}.",
            "Set HALT400_ARCHIVE_ACCESS_KEY_ID and HALT400_ARCHIVE_SECRET_ACCESS_KEY, or boto3's own.",
        )
    if isinstance(error, ParamValidationError):
        return ArchiveError(message, "Correct HALT400_ARCHIVE_URI.")
    if isinstance(error, FlexibleChecksumError):
        return ArchiveError(message, "The object is damaged: restore an earlier version of it.")
    return ArchiveUnavailable(message, UNAVAILABLE)


def error_status(error: ArchiveError) -> int | None:
    """The HTTP status that led to the error; None where the server did not answer, or has no such bucket."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    if not isinstance(cause, ClientError) or cause.response.get("Error", {}).get("Code") == "NoSuchBucket":
        return None
    return _status(cause)


def _of_response(error: Any, message: str, *, by_kms: bool) -> ArchiveError:
    code, status = str(error.response.get("Error", {}).get("Code", "")), _status(error)
    refused = code in MENDS or status == 501 or (400 <= status < 500 and status not in {408, 429})
    if refused and code not in RETRYABLE:
        right = RIGHTS.get(error.operation_name)
        if code in {"AccessDenied", "403"} and right is not None:
            return ArchiveError(message, f"Give these credentials the right {right}.")
        return ArchiveError(message, MENDS.get(code, "A retry does not help; see the store's answer."))
    if status == 500 and by_kms and error.operation_name == "PutObject":
        # SeaweedFS answers 500 for a key that it does not have, and where no key is named.
        return ArchiveUnavailable(message, f"{UNAVAILABLE} HALT400_ARCHIVE_KMS_KEY_ID must name a key that it has.")
    return ArchiveUnavailable(message, UNAVAILABLE)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
