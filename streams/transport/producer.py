"""The Faust producer that is idempotent and fenced: a retry neither repeats, reorders, nor comes after a takeover."""

import logging
from collections.abc import Mapping
from typing import Any, cast

from faust.transport.drivers.aiokafka import Producer

from streams.transport.fence import Fence

__all__ = ["IdempotentProducer"]

log = logging.getLogger("halt400.worker")


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

    async def flush(self) -> None:
        """Wait until all that was given is sent, or may not be sent for now.

        Faust waits for this before it gives up partitions; what the fence holds back is failed when they have moved.
        """
        if not await cast(Any, self.transport).membership.while_sure(super().flush()):
            log.warning("Not all records are sent: this process may have been expelled from its group.")

    async def on_stop(self) -> None:
        """Stop; what cannot be sent any more is given up."""
        fence, self._fence = self._fence, None
        if fence is not None:
            fence.close()
        await super().on_stop()
        if fence is not None:
            await fence.stop()
