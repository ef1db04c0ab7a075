"""The archive: the evidence of offences as HAR files, in a directory or an S3 bucket, and exact counts of all."""

from streams.archive.har import har_of
from streams.archive.interface import Archive
from streams.archive.object_names import archive_uri, object_key
from streams.archive.open_by_uri import open_archive, read_uri
from streams.archive.writer import ArchiveWriter

__all__ = ["Archive", "ArchiveWriter", "archive_uri", "har_of", "object_key", "open_archive", "read_uri"]
