"""What the archive must contain for a log of offences: which are kept, and the counts of each manifest. Pure."""

from halt400.records import Offence
from streams.archive.object_names import day_of, manifest_key
from streams.archive.sampling import CountedOffence, Manifest, OffenceSampler

__all__ = ["ExpectedArchive"]


class ExpectedArchive:
    """Samples the offences of a log as archiving does.

    Parameters
    ----------
    topic
        Full name of `offences`.
    storm_keep
        See `streams.archive.sampling.is_kept`.

    Attributes
    ----------
    samplers
        The counts by the key of their manifest.
    """

    def __init__(self, topic: str, *, storm_keep: int | None = None) -> None:
        self._topic, self._storm_keep = topic, storm_keep
        self.samplers: dict[str, OffenceSampler] = {}

    def add(self, partition: int, offence: Offence) -> tuple[str, bool | None]:
        """Count one offence of a partition of the log.

        Returns
        -------
        tuple
            The key of its manifest, and whether its evidence is kept; None where it was counted before.
        """
        one = CountedOffence.of(offence)
        key = manifest_key(one.target, one.time_ms, self._topic, partition)
        sampler = self.samplers.get(key)
        if sampler is None:
            manifest = Manifest(target=one.target, date=day_of(one.time_ms))
            sampler = self.samplers[key] = OffenceSampler(manifest, storm_keep=self._storm_keep)
        return key, sampler.count_offence(one)
