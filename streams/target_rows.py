"""A target's row with its detection state: to bytes and back, and what a row says without being decoded whole. Pure.

`Row.detection` holds eight bytes (big-endian: when the target's next scope is due by time alone, milliseconds since
the epoch, 0 for never) and then the state as `streams.detection.encode_target_state` gives it.
"""

from struct import Struct as Layout
from typing import NamedTuple

import msgspec
from msgspec import Struct

from halt400.windows import FINE_S, Row, decode_row, encode_row
from streams.detection import TargetState, decode_target_state, encode_target_state

__all__ = ["Glance", "glance_at_row", "pack_target", "unpack_state", "unpack_target"]

_DUE = Layout(">Q")


class _Sparse(Struct, array_like=True, gc=False):
    """`halt400.windows.Row` with its counts left as they came."""

    version: int
    offset: int
    latest: int
    fine_from: int
    responses: msgspec.Raw
    classes: msgspec.Raw
    expired: msgspec.Raw
    late: int
    late_bad_requests: int
    skewed: int
    bad_request_seen: int
    detection: bytes = b""


_decode_sparse = msgspec.msgpack.Decoder(_Sparse).decode


class Glance(NamedTuple):
    """When a target was last heard of, and when one of its scopes is due (0: never)."""

    latest_ms: int
    due_ms: int


def pack_target(row: Row, state: TargetState) -> bytes:
    """The value for the changelog; `row.detection` is set."""
    row.detection = _DUE.pack(state.next_due() or 0) + encode_target_state(state)
    return encode_row(row)


def unpack_target(value: bytes, name: str) -> tuple[Row, TargetState]:
    """A changelog value's row and detection state; a fresh state where the row has none."""
    row = decode_row(value)
    return row, unpack_state(row.detection, name)


def unpack_state(detection: bytes, name: str) -> TargetState:
    """The state in `Row.detection`; a fresh one for a row that was written without."""
    return decode_target_state(detection[_DUE.size :]) if detection else TargetState(name)


def glance_at_row(value: bytes) -> Glance:
    """What an encoded row says at a glance, at a tenth of the cost of decoding it."""
    sparse = _decode_sparse(value)
    due_ms = _DUE.unpack_from(sparse.detection)[0] if sparse.detection else 0
    return Glance(sparse.latest * FINE_S * 1000, due_ms)
