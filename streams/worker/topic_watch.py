"""The watch over the topics while a worker runs: partitions that were added, a topic that was deleted or made anew."""

import logging

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable, TopicMismatch
from halt400.kafka.clients import close_consumer, start_client
from streams import topics
from streams.settings import KafkaSettings
from streams.topics import compare_topics

__all__ = ["TOPIC_WATCH_INTERVAL_S", "TopicWatch", "cut_changelogs"]

log = logging.getLogger("halt400.worker")

TOPIC_WATCH_INTERVAL_S = 30.0


class TopicWatch:
    """Ends the worker where its targets are in other partitions than it counts them in, or a topic is gone.

    With partitions added to `responses`, publishers send targets elsewhere at once: their events would be refused one
    by one. A topic that was deleted is made anew by the next client, with another number of partitions.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._seen: list[str] = []
        self._has_looked_at_changelogs = False

    async def look(self) -> None:
        """Compare the topics with what they are to be; settings may change while a worker runs.

        Raises
        ------
        TopicMismatch
            A topic was missing, or had other partitions, now and at the look before: a broker that has just started
            may not know all of them.
        """
        try:
            missing, differences = await compare_topics(self._kafka)
            if not missing and not self._has_looked_at_changelogs:
                await self._tell_of_cut_changelogs()
        except (BrokerUnavailable, KafkaError, OSError):
            return
        found = [f"{name} is gone" for name in missing]
        found += [str(one) for one in differences if one.setting == "partitions"]
        seen, self._seen = [text for text in found if text in self._seen], found
        if seen:
            raise TopicMismatch(
                f"The topics have changed while the worker ran: {'; '.join(seen)}.",
                "Set HALT400_KAFKA_PARTITIONS to what they have, or make them as declared: `halt400 topics check`.",
            )

    async def _tell_of_cut_changelogs(self) -> None:
        cut = await cut_changelogs(self._kafka)
        self._has_looked_at_changelogs = True
        if cut:
            where = ", ".join(f"{tp.topic} partition {tp.partition} (before {end})" for tp, end in sorted(cut.items()))
            log.error(
                "Records were deleted from the beginning of %s: what they said is lost, such as counts, quarantines "
                "and incidents of targets without a later record.",
                where,
            )


async def cut_changelogs(kafka: KafkaSettings) -> dict[TopicPartition, int]:
    """The partitions of compacted topics that do not begin at 0, and where they do: compaction keeps the beginning."""
    names = [kafka.topic(name) for name in (topics.RATES, topics.CONTROL, topics.ALERTS)]
    tps = [TopicPartition(name, number) for name in names for number in range(kafka.partitions)]
    consumer = AIOKafkaConsumer(group_id=None, **kafka.connection.client_options())
    try:
        await start_client(consumer)
        return {tp: offset for tp, offset in (await consumer.beginning_offsets(tps)).items() if offset}
    finally:
        await close_consumer(consumer)
