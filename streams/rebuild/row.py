"""A row from the records of its target: its counts, and what is halted. Pure."""

from collections.abc import Iterable
from typing import Any

from halt400.records import UNDECODABLE, Command
from streams.detection import Policies
from streams.detection.scopes import restore_quarantine
from streams.processing.decoding import decode_counted
from streams.processing.envelopes import event_values
from streams.processing.target import TrackedTarget

__all__ = ["rebuilt_row"]


def rebuilt_row(
    name: str,
    earlier: bytes | None,
    records: Iterable[Any],
    end: int,
    commands: Iterable[Command],
    policies: Policies,
    skew_ms: int,
) -> bytes:
    """The row of a target that counts these records, and includes all below the offset `end`.

    What is halted is what its commands say. What the detectors have learnt is that of the earlier row; without one they
    begin anew, for it is in no log.

    Parameters
    ----------
    earlier
        The last row of the target that can be read, None where there is none.
    records
        Records of `responses` with this target's key, and arrays of events, in their order.
    commands
        The latest command of each of its scopes.
    """
    target = TrackedTarget.decode(earlier, name)
    row = target.row
    for record in records:
        if not row.offset < record.offset < end:
            continue
        for value in event_values(record.value):
            try:
                event = decode_counted(value)
            except UNDECODABLE:
                continue
            if event.target != name:
                continue
            skewed = event.time > record.timestamp + skew_ms
            row.count(record.timestamp if skewed else event.time, event.response.status)
            row.skewed += skewed
    row.offset = max(row.offset, end - 1)
    for command in commands:
        restore_quarantine(target.state, command, policies.rule_for(name).durations())
    return target.encode()
