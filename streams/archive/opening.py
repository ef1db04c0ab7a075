"""From a URI to an archive."""

from streams.archive.bucket import BucketArchive
from streams.archive.directory import DirectoryArchive
from streams.archive.port import Archive
from streams.settings import ArchiveSettings

__all__ = ["open_archive", "read_uri"]


def open_archive(archive: ArchiveSettings, base_uri: str | None = None) -> Archive:
    """The archive of the settings, or one at another URI with the same credentials."""
    uri = base_uri or archive.uri
    if uri.startswith("file:"):
        return DirectoryArchive(uri)
    return BucketArchive(
        uri,
        endpoint_url=archive.endpoint_url,
        region=archive.region,
        access_key_id=archive.access_key_id,
        secret_access_key=archive.secret_access_key.get_secret_value() if archive.secret_access_key else None,
        server_side_encryption=archive.server_side_encryption,
        kms_key_id=archive.kms_key_id,
        parallel=archive.parallel_uploads,
    )


def read_uri(archive: ArchiveSettings, uri: str) -> bytes:
    """The bytes of one archived object, by the URI that a command or an offence carries.

    Raises
    ------
    ArchiveError
        There is no such object, or it cannot be read.
    """
    base, _, name = uri.rpartition("/")
    return open_archive(archive, base).read(name)
