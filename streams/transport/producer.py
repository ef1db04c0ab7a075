"""The Faust producer that is idempotent: a retry inside the client neither repeats nor reorders a record."""

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers.aiokafka import Producer

__all__ = ["IdempotentProducer"]


class IdempotentProducer(Producer):
    """Faust turns idempotence on together with transactions only; rows must keep their order without them."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}
