"""Which of many similar offences are archived: the first of a signature, then fewer and fewer; all are counted.

Where one broken release sends a million equal 400s, the twentieth says what the millionth says. `OffenceSampler` keeps
the archive small without hiding anything: each signature of a target is judged by its own count of the day only, so a
signature that was never seen before is always kept. So is the evidence that a command points to.

Pure, and deterministic: a target's offences come from one partition, in the order of their sources. An offence that was
counted before is recognised by its source and skipped, so redelivery neither counts nor decides twice.
"""

from collections import OrderedDict
from typing import Annotated, NamedTuple, Self

import msgspec

from halt400.records import Offence, Source

__all__ = [
    "CountedOffence",
    "Manifest",
    "OffenceHead",
    "OffenceSampler",
    "SamplePosition",
    "SignatureCount",
    "decode_manifest",
    "is_kept",
]

SIGNATURES_MAX = 1000


class _EventTime(msgspec.Struct, gc=False):
    time: int


class _Signature(msgspec.Struct, gc=False):
    signature: str


class OffenceHead(msgspec.Struct, gc=False):
    """The fields of an `Offence` that name its object and decide whether it is kept: a partial decode."""

    target: str
    source: Source
    event: _EventTime
    opens: bool = False
    fingerprints: _Signature | None = None


class CountedOffence(NamedTuple):
    """What counting and sampling need of one offence. `always_kept`: its evidence is kept whatever its number."""

    source: Source
    target: str
    time_ms: int
    signature: str
    always_kept: bool

    @classmethod
    def of(cls, offence: Offence | OffenceHead) -> Self:
        """Take the fields from an offence; one without a signature is always kept."""
        known = offence.fingerprints
        return cls(
            offence.source,
            offence.target,
            offence.event.time,
            known.signature if known is not None else "",
            offence.opens or known is None,
        )


def is_kept(signature_count: int, storm_keep: int | None = None) -> bool:
    """Whether the n-th offence of one signature is kept.

    Parameters
    ----------
    signature_count
        Its number within the signature, from 1.
    storm_keep
        How many are kept without a gap; None keeps every one. After them one in 2 is kept, then one in 4, one in 8 and
        so on, each step twice as long as the one before: of n offences about
        ``storm_keep * (1 + log2(n / storm_keep) / 2)`` are kept.

    Examples
    --------
    >>> [n for n in range(1, 101) if is_kept(n, 20)][18:]
    [19, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 88, 96]
    >>> sum(is_kept(n, 20) for n in range(1, 1_000_001))
    175
    """
    if storm_keep is None or signature_count <= storm_keep:
        return True
    step = 1 << ((signature_count - 1) // storm_keep).bit_length()
    return signature_count % step == 0


class SignatureCount(msgspec.Struct, kw_only=True):
    """The counts of one signature: all offences, and those whose evidence was kept."""

    signature: str
    seen: int = 0
    kept: int = 0
    first_ms: int
    last_ms: int


class SamplePosition(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a partition of the source topic is counted: the last offset, and the latest event time up to it.

    `index` is the place in a record with several events, as `halt400.records.Source` has it.
    """

    offset: int
    latest_ms: int
    index: int = 0

    def includes(self, source: Source) -> bool:
        """Whether an event lies up to here."""
        return (source.offset, source.index) <= (self.offset, self.index)


class Manifest(msgspec.Struct, kw_only=True):
    """The exact counts of one target's offences of one UTC date, stored beside the evidence.

    Attributes
    ----------
    seen, kept
        Offences, and those whose evidence is in the archive.
    forgotten
        Signatures that were dropped from memory because there were too many. Their offences stay counted in `seen` and
        `kept`; a signature that comes back starts at 1 again, so it is kept.
    storm_keep
        The setting at the time of the last count, null where every one is kept.
    positions
        ``topic-partition`` of the source -> how far it is counted.
    signatures
        The most recently seen first.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    target: str
    date: str = ""
    seen: int = 0
    kept: int = 0
    forgotten: int = 0
    storm_keep: int | None = None
    positions: dict[str, SamplePosition] = {}
    signatures: list[SignatureCount] = []

    def has_counted(self, source: Source) -> bool:
        """Whether that record lies within what is counted."""
        position = self.positions.get(_partition_of(source))
        return position is not None and position.includes(source)


decode_manifest = msgspec.json.Decoder(Manifest).decode


def _partition_of(source: Source) -> str:
    return f"{source.topic}-{source.partition}"


class OffenceSampler:
    """Counts one target's offences of one date by signature, and decides which are kept.

    Parameters
    ----------
    manifest
        The counts so far; ``Manifest(target=…)`` at the beginning.
    storm_keep
        See `is_kept`.
    signatures_max
        How many signatures stay in memory; beyond them the least recently seen one is dropped.

    Examples
    --------
    >>> sampler = OffenceSampler(Manifest(target="api.shop.example"), storm_keep=1)
    >>> sources = [Source(topic="responses", partition=0, offset=number) for number in range(5)]
    >>> [sampler.count(source, name, 0) for source, name in zip(sources, "aaaba")]
    [True, True, False, True, True]
    >>> sampler.count(sources[4], "a", 0) is None
    True
    >>> sampler.manifest().seen, sampler.manifest().kept
    (5, 4)
    """

    def __init__(
        self, manifest: Manifest, *, storm_keep: int | None = None, signatures_max: int = SIGNATURES_MAX
    ) -> None:
        self._manifest = msgspec.structs.replace(manifest, storm_keep=storm_keep, signatures=[])
        self._storm_keep, self._signatures_max = storm_keep, signatures_max
        self._counts = OrderedDict(
            (one.signature, msgspec.structs.replace(one)) for one in reversed(manifest.signatures)
        )
        self._positions = dict(manifest.positions)

    def count(self, source: Source, signature: str, time_ms: int, *, always: bool = False) -> bool | None:
        """Count one offence.

        Parameters
        ----------
        time_ms
            The event's own time.
        always
            Keep it whatever its number.

        Returns
        -------
        bool or None
            Whether its evidence is kept; None where the record was counted before. A record whose offset was counted
            already, but whose time is later than all before it, belongs to a topic that was created again: it counts.
        """
        partition = _partition_of(source)
        position = self._positions.get(partition)
        if position is not None and time_ms <= position.latest_ms and position.includes(source):
            return None
        latest = max(time_ms, position.latest_ms) if position is not None else time_ms
        self._positions[partition] = SamplePosition(offset=source.offset, index=source.index, latest_ms=latest)
        count = self._signature_count(signature, time_ms)
        count.seen += 1
        self._manifest.seen += 1
        kept = always or is_kept(count.seen, self._storm_keep)
        count.kept += kept
        self._manifest.kept += kept
        return kept

    def count_offence(self, one: CountedOffence) -> bool | None:
        """Count one offence; see `count`."""
        return self.count(one.source, one.signature, one.time_ms, always=one.always_kept)

    @property
    def seen(self) -> int:
        """How many offences were counted."""
        return self._manifest.seen

    def number(self, signature: str) -> int:
        """How many offences of a signature were counted."""
        count = self._counts.get(signature)
        return count.seen if count is not None else 0

    def manifest(self) -> Manifest:
        """The counts at this moment."""
        signatures = [msgspec.structs.replace(one) for one in reversed(self._counts.values())]
        return msgspec.structs.replace(self._manifest, positions=dict(self._positions), signatures=signatures)

    def _signature_count(self, signature: str, time_ms: int) -> SignatureCount:
        count = self._counts.get(signature)
        if count is None:
            count = self._counts[signature] = SignatureCount(signature=signature, first_ms=time_ms, last_ms=time_ms)
            if len(self._counts) > self._signatures_max:
                self._counts.popitem(last=False)
                self._manifest.forgotten += 1
        else:
            self._counts.move_to_end(signature)
        count.first_ms, count.last_ms = min(count.first_ms, time_ms), max(count.last_ms, time_ms)
        return count
