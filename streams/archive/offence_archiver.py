"""Turns the records of `offences` into objects of the archive: counted, sampled, redacted and encoded."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from faust.types import TP

from halt400.records import UNDECODABLE, Offence
from halt400.redaction import Redactor
from streams.archive.body_limits import BODY_LIMIT_BYTES, cut_bodies
from streams.archive.har import har_of
from streams.archive.object_names import object_key
from streams.archive.offence_counts import OffenceCounts
from streams.archive.sampling import CountedOffence, OffenceHead
from streams.archive.writer import ArchiveWriter, PendingObject
from streams.tracing import Traces

__all__ = ["OffenceArchiver", "redact_and_cut"]

REDACTION_MARGIN_BYTES = 16 * 1024
"""A body is redacted this far beyond the limit, so that a secret which the cut would halve is still seen whole."""

_decode_head = msgspec.json.Decoder(OffenceHead).decode
_decode_offence = msgspec.json.Decoder(Offence).decode


def redact_and_cut(redactor: Redactor, offence: Offence) -> Offence:
    """The offence as it may be archived: no secrets, no body longer than the limit."""
    return cut_bodies(redactor.offence(cut_bodies(offence, BODY_LIMIT_BYTES + REDACTION_MARGIN_BYTES)))


class OffenceArchiver:
    """Archives the offences of one fold after the other; each is redacted and encoded in the thread that writes it.

    Parameters
    ----------
    redactor
        Removes the secrets from an offence.
    counts
        Counts the offences and decides which are kept.
    traces
        None where they are off.
    """

    def __init__(
        self, writer: ArchiveWriter, redactor: Redactor, counts: OffenceCounts, traces: Traces | None = None
    ) -> None:
        self._writer, self._redactor, self._counts, self._traces = writer, redactor, counts, traces

    async def archive(self, tp: TP, end: int, records: Sequence[Any]) -> None:
        """Write the evidence of some records of `offences`, up to the offset `end`; returns when it is durable.

        A record that cannot be decoded is written below ``undecodable/``, redacted as text, so that none is skipped
        in silence.
        """
        started_ns = time.time_ns() if self._traces is not None else 0
        objects: list[PendingObject] = []
        offences: list[tuple[CountedOffence, Any]] = []
        kept_keys: dict[int, str] = {}
        for record in records:
            if record.value is None:
                continue
            try:
                offences.append((CountedOffence.of(_decode_head(record.value)), record))
            except UNDECODABLE:
                key = f"undecodable/{tp.topic}-{tp.partition}-{record.offset:020d}.json"
                objects.append((key, partial(self._undecodable, record.value)))
        kept = await self._counts.count(tp, end, [offence for offence, _ in offences])
        for (offence, record), is_kept in zip(offences, kept, strict=True):
            if is_kept:
                key = kept_keys[record.offset] = object_key(offence.source, offence.target, offence.time_ms)
                objects.append((key, partial(self._har, record.value)))
        await self._writer.write(objects)
        if self._traces is not None:
            self._traces.archived(records, started_ns, kept_keys)

    def _har(self, value: bytes) -> bytes:
        try:
            offence = _decode_offence(value)
        except UNDECODABLE:
            return self._undecodable(value)
        return har_of(redact_and_cut(self._redactor, offence))

    def _undecodable(self, value: bytes) -> bytes:
        text = bytes(value).decode("utf-8", "surrogateescape")
        return self._redactor.text(text).encode("utf-8", "surrogateescape")
