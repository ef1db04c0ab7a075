"""What Faust lacks for exact counting at stream speed: folded polls, durable offsets, an acknowledged changelog.

Everything here overrides private parts of faust-streaming 0.15; each override names the upstream behaviour that it
answers, and `tests/transport` holds them against a real broker, so that a new release of Faust fails there first.
"""

from streams.transport.codec import PASS_THROUGH
from streams.transport.consumer import FoldingConsumer
from streams.transport.durability import Durability
from streams.transport.fetching import LostRecords, Records
from streams.transport.producer import IdempotentProducer
from streams.transport.table import DurableTable
from streams.transport.transport import FoldingTransport, install

__all__ = [
    "PASS_THROUGH",
    "Durability",
    "DurableTable",
    "FoldingConsumer",
    "FoldingTransport",
    "IdempotentProducer",
    "LostRecords",
    "Records",
    "install",
]
