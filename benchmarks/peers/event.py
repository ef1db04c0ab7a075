"""What peers in Python share: the part of an event that is counted by, decoded as the worker decodes it; the report."""

import json
import resource
import sys
import time
from collections import Counter
from typing import TypeVar

import msgspec

__all__ = ["CountedByPeer", "decode_for_peer", "print_peer_report"]

Key = TypeVar("Key")


class CountedStatus(msgspec.Struct, gc=False):
    """The status of a response."""

    status: int


class CountedByPeer(msgspec.Struct, gc=False):
    """Target, time (ms) and status of a response."""

    target: str
    time: int
    response: CountedStatus


decode_for_peer = msgspec.json.Decoder(CountedByPeer).decode


def print_peer_report(seen: Counter[Key], increments: Counter[Key], first: tuple[float, float]) -> None:
    """Print the figures as JSON.

    Parameters
    ----------
    seen, increments
        By target: the events that were read, and the sum of the counts of all windows, which is five times as much.
    first
        When the first event came: monotonic seconds, and the processor time until then.
    """
    json.dump(
        {
            "events": seen.total(),
            "elapsed_s": time.monotonic() - first[0],
            "cpu_s": time.process_time() - first[1],
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "increments": increments.total() if all(increments[key] == 5 * n for key, n in seen.items()) else -1,
        },
        sys.stdout,
    )
