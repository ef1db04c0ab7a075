"""The watch over the topics while a worker runs: partitions that were added, a topic that was deleted or made anew."""

from halt400.errors import BrokerUnavailable, TopicMismatch
from streams.settings import KafkaSettings
from streams.topics import compare_topics

__all__ = ["TOPIC_WATCH_INTERVAL_S", "TopicWatch"]

TOPIC_WATCH_INTERVAL_S = 30.0


class TopicWatch:
    """Ends the worker where its targets are in other partitions than it counts them in, or a topic is gone.

    With partitions added to `responses`, publishers send targets elsewhere at once: their events would be refused one
    by one. A topic that was deleted is made anew by the next client, with another number of partitions.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._seen: list[str] = []

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
        except BrokerUnavailable:
            return
        found = [f"{name} is gone" for name in missing]
        found += [str(one) for one in differences if one.setting == "partitions"]
        seen, self._seen = [text for text in found if text in self._seen], found
        if seen:
            raise TopicMismatch(
                f"The topics have changed while the worker ran: {'; '.join(seen)}.",
                "Set HALT400_KAFKA_PARTITIONS to what they have, or make them as declared: `halt400 topics check`.",
            )
