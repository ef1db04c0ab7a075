"""What Faust lacks for exact counting at stream speed: folded polls, durable offsets, an acknowledged changelog.

Everything here overrides private parts of faust-streaming 0.15; each override names the upstream behaviour that it
answers, and `tests/transport` holds them against a real broker, so that a new release of Faust fails there first.
"""

from streams.transport.codec import PASS_THROUGH
from streams.transport.consumer import FoldingConsumer
from streams.transport.fetcher import LostRecords, Records
from streams.transport.producer import IdempotentProducer
from streams.transport.table import DurableTable
from streams.transport.transport import FoldingTransport, install
from streams.transport.watermarks import Watermarks

__all__ = [
    "PASS_THROUGH",
    "DurableTable",
    "FoldingConsumer",
    "FoldingTransport",
    "IdempotentProducer",
    "LostRecords",
    "Records",
    "Watermarks",
    "install",
]
