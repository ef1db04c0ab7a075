"""Invariants 10 and 11: how workers ended, and what scrapers logged. Pure."""

from collections.abc import Iterator

import halt400.errors
from chaos.history import History
from chaos.violation import Violation

__all__ = ["check_ends", "check_scraper_logs"]

EXPECTED = frozenset({*halt400.errors.__all__, "ChildProcessEnded", "RecoveryTimedOut"})
"""Ends for which something was done to the worker: Kafka is away, its other process has ended."""


def check_ends(history: History) -> Iterator[Violation]:
    """Invariant 10: no error but the expected ones ended a worker, each stopped in time, at the end in order.

    Where a topic was changed each has to end, and only there one may end for its topics.
    """
    for end in history.ends:
        if end.error not in EXPECTED or (end.error == "TopicMismatch" and not history.topic_faults):
            yield Violation(10, f"{end.worker} ended by {end.error}: {end.text}")
    for fault in history.topic_faults:
        for worker, ended in fault.ended.items():
            if ended is None:
                yield Violation(10, f"{worker} went on, or did not say why it ended: {fault.topic} was {fault.what}")
    for worker, times in history.late_stops.items():
        for at_ms in times:
            yield Violation(10, f"{worker} was told to stop, and had not within a minute, at {at_ms}")
    for worker, code in history.exit_codes.items():
        if code != 0:
            yield Violation(10, f"{worker} was told to stop when all was well, and ended with {code}")


def check_scraper_logs(history: History) -> Iterator[Violation]:
    """Invariant 11."""
    for scraper, lines in history.complaints.items():
        if lines:
            yield Violation(11, f"{scraper} logged {len(lines)} exceptions, first: {lines[0]}")
