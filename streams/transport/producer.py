"""The Faust producer that is idempotent and fenced: a retry neither repeats, reorders, nor comes after a takeover."""

from collections.abc import Mapping
from typing import Any, cast

from faust.transport.drivers.aiokafka import Producer

from streams.transport.fence import Fence

__all__ = ["IdempotentProducer"]


class IdempotentProducer(Producer):
    """Faust turns idempotence on together with transactions only; rows must keep their order without them."""

    _fence: Fence | None = None

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        self._fence = Fence(producer, cast(Any, self.transport).membership)
        self._fence.start()
        return producer

    async def on_stop(self) -> None:
        """Stop; what cannot be sent any more is given up."""
        fence, self._fence = self._fence, None
        if fence is not None:
            fence.close()
        await super().on_stop()
        if fence is not None:
            await fence.stop()
