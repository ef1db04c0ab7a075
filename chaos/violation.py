"""A violation of an invariant, as the checker reports it."""

from typing import NamedTuple

__all__ = ["INVARIANTS", "Violation"]

INVARIANTS = {
    1: "every accepted event is counted exactly once in the final rows",
    2: "every 400 has exactly one offence, and one archived object or its place in a manifest",
    3: "one command id per cause; sequences rise without gap or reuse",
    4: "no gate lets a request pass after it knew the quarantine of its scope, but for the one probe",
    5: "a release is never undone by a replay",
    6: "committed offsets never pass what is not durable",
    7: "what the API says is what the log implies at its stated age",
    8: "each page was sent at least once, and no incident twice beyond the stated rule",
    9: "savings never fall",
    10: "a worker ends only where something was done to it, never by an error of its own, and in time when told to",
    11: "a scraper's log has no exception, whatever happens to Kafka",
}
"""What must hold of every history, by number."""


class Violation(NamedTuple):
    """One breach: the invariant's number, and what was found where."""

    invariant: int
    detail: str

    def __str__(self) -> str:
        return f"({self.invariant}) {INVARIANTS[self.invariant]}: {self.detail}"
