"""Finds out whether an object is missing because sampling left its offence out: then a manifest counts it."""

from dataclasses import dataclass

import msgspec

from halt400.errors import ArchiveError, BrokerUnavailable, TopicMismatch
from halt400.records import UNDECODABLE, Offence, Source
from streams.archive.object_names import MANIFEST, day_of, source_of_name
from streams.archive.offence_log import offence_values
from streams.archive.open_by_uri import open_archive, split_uri
from streams.archive.sampling import CountedOffence, Manifest, OffenceSampler, decode_manifest
from streams.settings import ArchiveSettings, KafkaSettings

__all__ = ["SampledOut", "find_sampled_out"]

_decode_offence = msgspec.json.Decoder(Offence).decode


@dataclass(frozen=True)
class SampledOut:
    """An offence that was counted and whose evidence was not kept."""

    uri: str
    source: Source
    manifest: Manifest
    manifest_uri: str

    @property
    def partition(self) -> int:
        """The partition of `offences` that the manifest belongs to."""
        return int(self.manifest_uri.removesuffix(MANIFEST).rpartition("-")[2])

    async def number_in_log(self, kafka: KafkaSettings) -> tuple[int, str] | None:
        """Read the log of offences for this offence's number within its signature, and the signature.

        Returns
        -------
        tuple or None
            Number 0: there was no such offence. None: the log no longer has all that the manifest counts, or Kafka does
            not answer.
        """
        sampler, found = OffenceSampler(Manifest(target=self.manifest.target)), None
        try:
            async for _, value in offence_values(kafka, self.partition):
                if value is None:
                    continue
                try:
                    one = CountedOffence.of(_decode_offence(value))
                except UNDECODABLE:
                    continue
                if (one.target, day_of(one.time_ms)) != (self.manifest.target, self.manifest.date):
                    continue
                sampler.count_offence(one)
                if one.source == self.source and found is None:
                    found = sampler.number(one.signature), one.signature
        except (BrokerUnavailable, TopicMismatch):
            return None
        return (found or (0, "")) if sampler.seen >= self.manifest.seen else None

    def as_error(self, number: tuple[int, str] | None) -> ArchiveError:
        """The error for whoever asked for the object; `number` as from `number_in_log`."""
        manifest = self.manifest
        which = f"number {number[0]} of signature {number[1]}" if number is not None else "one of many alike"
        return ArchiveError(
            f"{self.uri} was not kept: it was {which} that day. Of {manifest.seen} offences of {manifest.target} on "
            f"{manifest.date}, {manifest.kept} are in the archive: the first of each signature and a sample of the "
            "rest.",
            f"The page and the API show it at /offences while its record is on Kafka. The manifest {self.manifest_uri} "
            "has the counts. To archive every offence from now on, set "
            "HALT400_ARCHIVE_STORM_KEEP=0.",
        )


def find_sampled_out(settings: ArchiveSettings, uri: str) -> SampledOut | None:
    """Find a manifest that counts the offence of that URI without its evidence; None where there is none.

    Raises
    ------
    ArchiveError
        The archive does not answer, or refuses.
    """
    base, name = split_uri(uri)
    source = source_of_name(name)
    if source is None:
        return None
    archive = open_archive(settings, base)
    for key in archive.keys(""):
        if "/" in key or not key.endswith(MANIFEST):
            continue
        try:
            manifest = decode_manifest(archive.read(key))
        except UNDECODABLE:
            continue
        if manifest.kept < manifest.seen and manifest.has_counted(source):
            return SampledOut(uri, source, manifest, archive.uri(key))
    return None
