"""The transport that puts the folding consumer and the idempotent producer into a Faust app."""

from typing import ClassVar

from faust import App
from faust.transport.drivers.aiokafka import Transport

from streams.transport.consumer import FoldingConsumer
from streams.transport.producer import IdempotentProducer
from streams.transport.watermarks import Watermarks

__all__ = ["FoldingTransport", "install"]


class FoldingTransport(Transport):
    """aiokafka through Faust, with our consumer and producer."""

    Consumer: ClassVar[type] = FoldingConsumer
    Producer: ClassVar[type] = IdempotentProducer
    durability: Watermarks


def install(app: App) -> Watermarks:
    """Give `app` the folding transport; returns where agents report what is durable."""
    durability = Watermarks()
    transport = FoldingTransport(app.conf.broker_consumer, app)
    transport.durability = durability
    app.transport = transport
    app.producer_transport = transport
    return durability
