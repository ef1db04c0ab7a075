"""The checker: judges a history by the eleven invariants, from the logs alone. Pure."""

from chaos.accepted import accepted
from chaos.commanding import check_commands, check_gates, check_releases, check_savings
from chaos.counting import check_commits, check_counts, check_evidence
from chaos.ending import check_ends, check_scraper_logs
from chaos.history import History
from chaos.showing import check_answers, check_pages
from chaos.violation import Violation

__all__ = ["check"]


def check(history: History) -> list[Violation]:
    """Every violation of an invariant, in the order of their numbers."""
    events, refused = accepted(history)
    found = [
        *check_counts(history, events, refused),
        *check_evidence(history, events),
        *check_commands(history),
        *check_gates(history),
        *check_releases(history, events),
        *check_commits(history, events),
        *check_answers(history),
        *check_pages(history),
        *check_savings(history),
        *check_ends(history),
        *check_scraper_logs(history),
    ]
    return sorted(found)
