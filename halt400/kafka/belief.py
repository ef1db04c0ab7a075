"""Which records of `control` a follower believes: those that a trusted key has signed, where keys are trusted."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from halt400.kafka.connection import KafkaConnection
from halt400.plural import plural

__all__ = ["Belief", "belief_of"]

log = logging.getLogger(__name__)

CHECKED_AT_ONCE = 50
"""A signature takes about a tenth of a millisecond; after so many, others in the event loop have their turn."""


class Belief:
    """Checks the signatures of one topic.

    Attributes
    ----------
    refused
        How many records were not believed.
    """

    def __init__(self, kafka: KafkaConnection, topic: str, on_refused: Callable[[Any, str], None] | None) -> None:
        self.refused = 0
        self._signing, self._topic = kafka.signing, topic
        self._on_refused = on_refused if on_refused is not None else self._log

    async def believed(self, polled: Mapping[Any, Sequence[Any]]) -> dict[Any, list[Any]]:
        """Leave out the records that are not believed."""
        found: dict[Any, list[Any]] = {}
        checked = 0
        for partition, records in polled.items():
            kept = found[partition] = []
            for record in records:
                reason = self._signing.why_not(self._topic, record, "commands")
                if reason is None:
                    kept.append(record)
                else:
                    self.refused += 1
                    self._on_refused(record, reason)
                checked += 1
                if not checked % CHECKED_AT_ONCE:
                    await asyncio.sleep(0)
        return found

    def _log(self, record: Any, reason: str) -> None:
        # The first, and each doubling: whoever may write can write much.
        if not self.refused & (self.refused - 1):
            log.error(
                "Ignored %s of %s that no trusted key has signed. The last one, offset %s of "
                "partition %s about %.200r: %s. Somebody else may write to the topic: see docs/security.md.",
                plural(self.refused, "record"),
                self._topic,
                record.offset,
                record.partition,
                record.key,
                reason,
            )


def belief_of(kafka: KafkaConnection, topic: str, on_refused: Callable[[Any, str], None] | None) -> Belief | None:
    """What a follower of `topic` believes; None where it believes every record."""
    is_signed = bool(kafka.signing.trusted) and topic == kafka.topic("control")
    return Belief(kafka, topic, on_refused) if is_signed else None
