"""Which operations are believed: those that a trusted key has signed lately, where keys are trusted."""

import time
from collections.abc import Callable

from halt400.records import Operation
from halt400.signing import Signing
from streams.processing.decoding import Record

__all__ = ["BelievedOperations"]

LONGEST_AGE_MS = 3_600_000
"""One that was signed longer ago may be sent again by somebody else: a target remembers only its latest operations."""


class BelievedOperations:
    """Checks who signed an operation, and when.

    Parameters
    ----------
    topic
        Full name of `operations`.
    clock
        Seconds since the epoch.
    """

    def __init__(self, signing: Signing, topic: str, clock: Callable[[], float] = time.time) -> None:
        self._signing, self._topic, self._clock = signing, topic, clock

    def why_not(self, record: Record, operation: Operation) -> str | None:
        """Why an operation is not carried out; None where it is."""
        if not self._signing.trusted:
            return None
        if operation.kind in ("probe", "probe_result"):
            reason = self._signing.why_not(self._topic, record, "probes", "operations", "commands")
        else:
            reason = self._signing.why_not(self._topic, record, "operations", "commands")
        age_ms = int(self._clock() * 1000) - operation.time
        if reason is None and age_ms > LONGEST_AGE_MS:
            return f"it was signed {age_ms // 60_000} minutes ago: send it again"
        return reason
