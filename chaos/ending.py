"""Invariant 10: how workers ended. Pure."""

from collections.abc import Iterator

import halt400.errors
from chaos.history import History
from chaos.violation import Violation

__all__ = ["check_ends"]

EXPECTED = frozenset({*halt400.errors.__all__, "ChildProcessEnded", "RecoveryTimedOut"})
"""Ends for which something was done to the worker: Kafka is away, its other process has ended."""


def check_ends(history: History) -> Iterator[Violation]:
    """Invariant 10: no error but the expected ones ended a worker, and at the end each stopped in order."""
    for end in history.ends:
        if end.error not in EXPECTED:
            yield Violation(10, f"{end.worker} ended by {end.error}: {end.text}")
    for worker, code in history.exit_codes.items():
        if code != 0:
            yield Violation(10, f"{worker} was told to stop when all was well, and ended with {code}")
