"""The Faust producer that is idempotent and fenced: a retry neither repeats, reorders, nor comes after a takeover."""

import logging
from collections.abc import Mapping
from typing import Any, cast

from aiokafka.errors import KafkaError
from faust.exceptions import NotReady, ProducerSendError
from faust.transport.drivers.aiokafka import Producer

from streams.transport.fence import Fence

__all__ = ["IdempotentProducer"]

log = logging.getLogger("halt400.worker")


class IdempotentProducer(Producer):
    """Faust turns idempotence on together with transactions only; rows must keep their order without them.

    aiokafka has one request under way for each broker. So the transport's urgent topics have a producer of their own:
    what is sent to them never waits until the broker has taken a second's rows, or the offences of a storm.
    """

    _urgent: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._fences: list[Fence] = []
        self._urgent_topics: frozenset[str] = cast(Any, self.transport).urgent

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        fence = Fence(producer, cast(Any, self.transport).membership)
        fence.start()
        self._fences.append(fence)
        return producer

    def producer_of(self, topic: str) -> Any:
        """The aiokafka producer that a topic's records are sent with, always the same."""
        if topic not in self._urgent_topics:
            return self._ensure_producer()
        if self._urgent is None:
            raise NotReady("Producer service not yet started")
        return self._urgent

    async def on_start(self) -> None:
        """Start both."""
        await super().on_start()
        if self._urgent_topics:
            self._urgent = self._new_producer()
            await self._urgent.start()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> Any:
        """Give a record to the producer of its topic; what is returned is done when the broker has acknowledged it."""
        if topic not in self._urgent_topics:
            return await super().send(
                topic, key, value, partition, timestamp, headers, transactional_id=transactional_id
            )
        try:
            return await self.producer_of(topic).send(topic, value, key=key, partition=partition, headers=headers)
        except KafkaError as error:
            raise ProducerSendError(f"Error while sending: {error!r}") from error

    async def flush(self) -> None:
        """Wait until all that was given is sent, or may not be sent for now.

        Faust waits for this before it gives up partitions; what the fence holds back is failed when they have moved.
        """
        if not await cast(Any, self.transport).membership.while_sure(self._flush_both()):
            log.warning("Not all records are sent: this process may have been expelled from its group.")

    async def _flush_both(self) -> None:
        await super().flush()
        if self._urgent is not None:
            await self._urgent.flush()

    async def on_stop(self) -> None:
        """Stop; what cannot be sent any more is given up."""
        fences, self._fences = self._fences, []
        for fence in fences:
            fence.close()
        if self._urgent is not None:
            await self._urgent.stop()
        await super().on_stop()
        for fence in fences:
            await fence.stop()
