"""Opens an archive, or reads one of its objects, by URI."""

from urllib.parse import unquote

from halt400.errors import ArchiveError
from streams.archive.directory_archive import DirectoryArchive
from streams.archive.interface import Archive
from streams.archive.s3_archive import S3Archive
from streams.archive.writer import MANIFEST_THREADS
from streams.settings import ArchiveSettings

__all__ = ["open_archive", "read_uri", "split_uri"]


def open_archive(archive: ArchiveSettings, base_uri: str | None = None) -> Archive:
    """The archive of the settings, or one at another URI with the same credentials."""
    uri = base_uri or archive.uri
    if uri.startswith("file:"):
        return DirectoryArchive(uri)
    return S3Archive(
        uri,
        endpoint_url=archive.endpoint_url,
        region=archive.region,
        access_key_id=archive.access_key_id,
        secret_access_key=archive.secret_access_key.get_secret_value() if archive.secret_access_key else None,
        server_side_encryption=archive.server_side_encryption,
        kms_key_id=archive.kms_key_id,
        parallel=archive.parallel_uploads + MANIFEST_THREADS,
    )


def split_uri(uri: str) -> tuple[str, str]:
    """Split the URI of an archived object into the URI of its directory and its name.

    Raises
    ------
    ArchiveError
        It is not the URI of an archived object.

    Examples
    --------
    >>> split_uri("s3://evidence/halt400/api.shop.example/2026-01-01/halt400.responses-0-7.har")
    ('s3://evidence/halt400/api.shop.example/2026-01-01', 'halt400.responses-0-7.har')
    """
    base, _, name = uri.rpartition("/")
    if not uri.startswith(("file://", "s3://")) or not name or base in {"file:/", "file://", "s3:/"}:
        raise ArchiveError(
            f"{uri} is no URI of an archived object.", "Give the `archive_uri` of an offence or a command."
        )
    return base, unquote(name) if uri.startswith("file:") else name


def read_uri(archive: ArchiveSettings, uri: str) -> bytes:
    """The bytes of one archived object, by the `archive_uri` of a command or an offence.

    Raises
    ------
    ArchiveError
        There is no such object, or it cannot be read.
    """
    base, name = split_uri(uri)
    return open_archive(archive, base).read(name)
