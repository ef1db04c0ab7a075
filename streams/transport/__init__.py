"""What exact counting needs and Faust lacks: folded polls, commits of watermarks, an acknowledged changelog.

The modules override private parts of faust-streaming 0.15; each override says which behaviour of Faust is its reason.
`tests/transport` tests them on a real broker, so that a change in Faust is found there first.
"""

from streams.transport.app import DisklessApp
from streams.transport.codec import PASS_THROUGH
from streams.transport.consumer import FoldingConsumer
from streams.transport.fence import Fence, StaleSend
from streams.transport.fetcher import PARTITION_FETCH_BYTES, LostRecords, Records
from streams.transport.membership import Membership
from streams.transport.producer import IdempotentProducer
from streams.transport.rebalance_log import RecoveryLog
from streams.transport.table import DurableTable
from streams.transport.transport import FoldingTransport, install
from streams.transport.watermarks import Watermarks

__all__ = [
    "PARTITION_FETCH_BYTES",
    "PASS_THROUGH",
    "DisklessApp",
    "DurableTable",
    "Fence",
    "FoldingConsumer",
    "FoldingTransport",
    "IdempotentProducer",
    "LostRecords",
    "Membership",
    "Records",
    "RecoveryLog",
    "StaleSend",
    "Watermarks",
    "install",
]
