"""The part of an event that is counted by, decoded as the worker decodes it."""

import msgspec

__all__ = ["CountedByPeer", "decode_for_peer"]


class CountedStatus(msgspec.Struct, gc=False):
    """The status of a response."""

    status: int


class CountedByPeer(msgspec.Struct, gc=False):
    """Target, time (ms) and status of a response."""

    target: str
    time: int
    response: CountedStatus


decode_for_peer = msgspec.json.Decoder(CountedByPeer).decode
