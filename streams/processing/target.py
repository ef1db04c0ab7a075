"""One target in memory, how it is encoded as its row, and a row's summary without decoding all of it. Pure.

`Row.detection` holds eight bytes (big-endian: when the target's next scope is due by time alone, milliseconds since
the epoch, 0 for never) and then the state as `streams.detection.encode_target_state` gives it.
"""

from collections import defaultdict
from struct import Struct as Layout
from struct import error as StructError  # noqa: N812
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct

from halt400.diagnosis import Profile
from halt400.records import UNDECODABLE
from halt400.windows import FINE_S, Row, decode_row, encode_row, unreadable_row
from streams.detection import Origin, TargetState, decode_target_state, encode_target_state
from streams.processing.decoding import decode_event

__all__ = ["RowSummary", "TrackedTarget", "summarize_row"]

_DUE = Layout(">Q")
_decode_profile = msgspec.msgpack.Decoder(Profile).decode
_encode_profile = msgspec.msgpack.Encoder().encode


class _UndecodedRow(Struct, array_like=True, gc=False):
    """`halt400.windows.Row` with its counts not decoded."""

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


_decode_outer = msgspec.msgpack.Decoder(_UndecodedRow).decode


class RowSummary(NamedTuple):
    """When the target's last response came, when one of its scopes is due, and when its last 400 came (0: never).

    `offset` is that of the last response that the row includes.
    """

    latest_ms: int
    due_ms: int
    bad_request_ms: int
    offset: int = -1


class TrackedTarget:
    """A target in memory: its row, its detection state, and the profile of good requests to it.

    Attributes
    ----------
    good
        Number of logical requests by job that got no 400 and that `state` does not include yet.
    due
        When the target is due by time alone, as the store has scheduled it; 0 for never.
    """

    __slots__ = ("_learned", "due", "good", "name", "profile", "row", "state")

    def __init__(self, row: Row, state: TargetState) -> None:
        self.name, self.row, self.state = state.name, row, state
        self.profile = _decode_profile(row.profile) if row.profile else None
        self.good: defaultdict[str, int] = defaultdict(int)
        self.due = 0
        self._learned = False
        """Whether `profile` has something that `row.profile` has not."""

    @classmethod
    def decode(cls, value: bytes | None, name: str) -> Self:
        """The target of a row of the changelog; a new one where there is no row."""
        if value is None:
            return cls(Row(), TargetState(name))
        row = decode_row(value)
        # A row of an earlier release has no detection state.
        return cls(row, decode_target_state(row.detection[_DUE.size :]) if row.detection else TargetState(name))

    def encode(self) -> bytes:
        """The row for the changelog."""
        self.add_good_requests()
        row, state = self.row, self.state
        # A pending grant is due at once wherever the row goes: it may be decided while no worker has the partition.
        due = 1 if state.pending_grant is not None else state.next_due() or 0
        row.detection = _DUE.pack(due) + encode_target_state(state)
        if self._learned:
            row.profile = _encode_profile(self.profile)
            self._learned = False
        return encode_row(row)

    def add_good_requests(self) -> None:
        """Add the requests counted in `good` to `state`; call it before `state` is read or changed."""
        state, good = self.state, self.good
        if good:
            state.mixture.gap += sum(good.values())
            for job_id, count in good.items():
                state.job(job_id).mixture.gap += count
            good.clear()

    def learn(self, value: bytes, time_ms: int) -> int:
        """Add a success to the profile if it has its request's headers; how many were added, 0 or 1."""
        try:
            event = decode_event(value)
        except UNDECODABLE:
            return 0
        if not event.request.headers:
            return 0
        self.state.job(event.job_id).origin = Origin.of(event)
        if self.profile is None:
            self.profile = Profile()
        where = event.proxy.id if event.proxy is not None else event.region or ""
        self._learned = True
        self.profile.observe(event.request, time_ms=time_ms, where=where, release=event.release)
        return 1


def summarize_row(value: bytes) -> RowSummary:
    """The summary of an encoded row; its counts and its detection state are not decoded.

    Raises
    ------
    InvalidRecord
        The bytes are no row.
    """
    try:
        row = _decode_outer(value)
        due_ms = _DUE.unpack_from(row.detection)[0] if row.detection else 0
    except (msgspec.DecodeError, StructError) as error:
        raise unreadable_row(error) from error
    return RowSummary(row.latest * FINE_S * 1000, due_ms, row.bad_request_seen, row.offset)
