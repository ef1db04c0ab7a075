"""The Faust transport with the folding consumer and the idempotent producer, and how an app gets it."""

from collections.abc import Callable, Collection
from typing import ClassVar

from faust import App
from faust.transport.drivers.aiokafka import Transport

from streams.transport.consumer import FoldingConsumer
from streams.transport.membership import Membership
from streams.transport.packing import keep_batches
from streams.transport.producer import IdempotentProducer
from streams.transport.recovery import install_recovery
from streams.transport.watermarks import Watermarks

__all__ = ["FoldingTransport", "install"]


class FoldingTransport(Transport):
    """Faust's aiokafka transport with our consumer and producer."""

    Consumer: ClassVar[type] = FoldingConsumer
    Producer: ClassVar[type] = IdempotentProducer
    watermarks: Watermarks
    membership: Membership
    leaves: Callable[[], bool]
    gathers: bool
    urgent: frozenset[str] = frozenset()
    packed: frozenset[str] = frozenset()


def install(
    app: App,
    *,
    leaves: Callable[[], bool] = lambda: False,
    gathers: bool = False,
    packed: Collection[str] = (),
    urgent: Collection[str] = (),
) -> Watermarks:
    """Give `app` the folding transport, and deadlines in recoveries; returns the watermarks, which the agents raise.

    Parameters
    ----------
    leaves
        Whether a static member leaves its group when it stops, so that the others have its partitions at once.
    gathers
        Whether the broker gathers records for each fetch: they come in fewer folds, and up to 0.25 s later.
    packed
        Full names of topics whose folds are record batches, where the native extension is built.
    urgent
        Full names of topics that have a producer of their own: nothing else stands before what is sent to them.
    """
    watermarks = Watermarks()
    transport = FoldingTransport(app.conf.broker_consumer, app)
    transport.watermarks, transport.leaves, transport.gathers = watermarks, leaves, gathers
    transport.urgent = frozenset(urgent)
    transport.membership = Membership(app.conf.broker_session_timeout)
    transport.packed = frozenset(packed) if packed and keep_batches() else frozenset()
    app.transport = transport
    app.producer_transport = transport
    install_recovery(app)
    return watermarks
