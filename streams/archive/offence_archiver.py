"""Turns the records of `offences` into evidence in the archive."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from faust.types import TP

from halt400.records import Offence, Source
from halt400.redaction import Redactor
from streams.archive.body_limits import BODY_LIMIT_BYTES, cut_bodies
from streams.archive.har import har_of
from streams.archive.object_names import object_key
from streams.archive.offence_counts import Counted, OffenceCounts
from streams.archive.writer import ArchiveWriter, Evidence

__all__ = ["OffenceArchiver", "redact_and_cut"]

SEALED_BEHIND_BYTES = 16 * 1024
"""A body is redacted this far beyond the limit: a secret that the cut would halve is still seen whole."""


class _Time(msgspec.Struct, gc=False):
    time: int


class _Signature(msgspec.Struct, gc=False):
    signature: str


class _Place(msgspec.Struct, gc=False):
    """What an object's name is made of, and what a storm is judged by."""

    target: str
    source: Source
    event: _Time
    opens: bool = False
    fingerprints: _Signature | None = None

    def counted(self) -> Counted:
        """What is counted of it; without a signature it is always kept."""
        known = self.fingerprints
        return Counted(
            self.source, self.target, self.event.time, known.signature if known else "", self.opens or known is None
        )


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_offence = msgspec.json.Decoder(Offence).decode


def redact_and_cut(redactor: Redactor, offence: Offence) -> Offence:
    """The offence as it may be archived: no secrets, no body longer than the limit."""
    return cut_bodies(redactor.offence(cut_bodies(offence, BODY_LIMIT_BYTES + SEALED_BEHIND_BYTES)), BODY_LIMIT_BYTES)


class OffenceArchiver:
    """Archives the offences of one fold after the other; each is redacted and encoded in the thread that writes it.

    Parameters
    ----------
    redactor
        Takes the secrets out of an offence.
    counts
        Decides what a storm leaves out.
    """

    def __init__(self, writer: ArchiveWriter, redactor: Redactor, counts: OffenceCounts) -> None:
        self._writer, self._redactor, self._counts = writer, redactor, counts

    async def archive(self, tp: TP, end: int, records: Sequence[Any]) -> None:
        """Write the evidence of some records of `offences`, up to the offset `end`; returns when it is durable.

        What is no offence is kept below ``undecodable/``, redacted as a text: a topic of ours is never read past in
        silence.
        """
        evidence: list[Evidence] = []
        places: list[tuple[_Place, bytes]] = []
        for record in records:
            if record.value is None:
                continue
            try:
                places.append((_decode_place(record.value), record.value))
            except msgspec.DecodeError:
                key = f"undecodable/{tp.topic}-{tp.partition}-{record.offset:020d}.json"
                evidence.append((key, partial(self._undecodable, record.value)))
        kept = await self._counts.choose(tp, end, [place.counted() for place, _ in places])
        for (place, value), is_kept in zip(places, kept, strict=True):
            if is_kept:
                key = object_key(place.source, place.target, place.event.time)
                evidence.append((key, partial(self._har, value)))
        await self._writer.write(evidence)

    def _har(self, value: bytes) -> bytes:
        try:
            offence = _decode_offence(value)
        except msgspec.DecodeError:
            return self._undecodable(value)
        return har_of(redact_and_cut(self._redactor, offence))

    def _undecodable(self, value: bytes) -> bytes:
        text = bytes(value).decode("utf-8", "surrogateescape")
        return self._redactor.text(text).encode("utf-8", "surrogateescape")
