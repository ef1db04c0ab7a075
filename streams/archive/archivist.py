"""Turns the records of `offences` into evidence in the archive."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from halt400.records import Offence, ResponseEvent, Source
from streams.archive.har import har_of
from streams.archive.naming import object_key
from streams.archive.writer import ArchiveWriter, Evidence

__all__ = ["Archivist"]

Redact = Callable[[ResponseEvent], ResponseEvent]


class _Time(msgspec.Struct, gc=False):
    time: int


class _Place(msgspec.Struct, gc=False):
    """What an object's name is made of."""

    target: str
    source: Source
    event: _Time


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_offence = msgspec.json.Decoder(Offence).decode


class Archivist:
    """Archives the offences of one fold after the other; each is redacted and encoded in the thread that writes it.

    Parameters
    ----------
    redact
        Takes the secrets out of an event.
    """

    def __init__(self, writer: ArchiveWriter, redact: Redact) -> None:
        self._writer, self._redact = writer, redact

    async def archive(self, topic: str, partition: int, records: list[Any]) -> None:
        """Write the evidence of some records of `offences`; returns when it is durable.

        What is no offence is kept as it is, below ``undecodable/``: a topic of ours is never read past in silence.
        """
        evidence: list[Evidence] = []
        for record in records:
            if record.value is None:
                continue
            try:
                place = _decode_place(record.value)
            except msgspec.DecodeError:
                evidence.append(
                    (f"undecodable/{topic}-{partition}-{record.offset:020d}.json", partial(bytes, record.value))
                )
            else:
                key = object_key(place.source, place.target, place.event.time)
                evidence.append((key, partial(self._har, record.value)))
        await self._writer.write(evidence)

    def _har(self, value: bytes) -> bytes:
        offence = _decode_offence(value)
        offence.event = self._redact(offence.event)
        return har_of(offence)
