"""Turns the records of `offences` into evidence in the archive."""

from functools import partial
from typing import Any

import msgspec

from halt400.records import Offence, Source
from halt400.redaction import Redactor
from streams.archive.har import har_of
from streams.archive.limits import BODY_LIMIT_BYTES, shortened
from streams.archive.naming import object_key
from streams.archive.writer import ArchiveWriter, Evidence

__all__ = ["Archivist", "seal"]

SEALED_BEHIND_BYTES = 16 * 1024
"""A body is redacted this far beyond the limit: a secret that the cut would halve is still seen whole."""


class _Time(msgspec.Struct, gc=False):
    time: int


class _Place(msgspec.Struct, gc=False):
    """What an object's name is made of."""

    target: str
    source: Source
    event: _Time


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_offence = msgspec.json.Decoder(Offence).decode


def seal(redactor: Redactor, offence: Offence) -> Offence:
    """The offence as it may be archived: no secrets, no body longer than the limit."""
    return shortened(redactor.offence(shortened(offence, BODY_LIMIT_BYTES + SEALED_BEHIND_BYTES)), BODY_LIMIT_BYTES)


class Archivist:
    """Archives the offences of one fold after the other; each is redacted and encoded in the thread that writes it.

    Parameters
    ----------
    redactor
        Takes the secrets out of an offence.
    """

    def __init__(self, writer: ArchiveWriter, redactor: Redactor) -> None:
        self._writer, self._redactor = writer, redactor

    async def archive(self, topic: str, partition: int, records: list[Any]) -> None:
        """Write the evidence of some records of `offences`; returns when it is durable.

        What is no offence is kept below ``undecodable/``, redacted as a text: a topic of ours is never read past in
        silence.
        """
        evidence: list[Evidence] = []
        for record in records:
            if record.value is None:
                continue
            try:
                place = _decode_place(record.value)
            except msgspec.DecodeError:
                key = f"undecodable/{topic}-{partition}-{record.offset:020d}.json"
                evidence.append((key, partial(self._undecodable, record.value)))
            else:
                key = object_key(place.source, place.target, place.event.time)
                evidence.append((key, partial(self._har, record.value)))
        await self._writer.write(evidence)

    def _har(self, value: bytes) -> bytes:
        try:
            offence = _decode_offence(value)
        except msgspec.DecodeError:
            return self._undecodable(value)
        return har_of(seal(self._redactor, offence))

    def _undecodable(self, value: bytes) -> bytes:
        text = bytes(value).decode("utf-8", "surrogateescape")
        return self._redactor.text(text).encode("utf-8", "surrogateescape")
