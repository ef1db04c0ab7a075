"""Which of two commands of a scope, as bytes, is the later one. Pure."""

import msgspec

from halt400.records import UNDECODABLE

__all__ = ["is_later_command"]


class _Sequence(msgspec.Struct):
    sequence: int


_decode = msgspec.json.Decoder(_Sequence).decode


def is_later_command(old: bytes, new: bytes) -> bool:
    """Whether `new` has at least the sequence of `old`; bytes that are no command never replace one."""
    try:
        sequence = _decode(new).sequence
    except UNDECODABLE:
        return False
    try:
        return sequence >= _decode(old).sequence
    except UNDECODABLE:
        return True
