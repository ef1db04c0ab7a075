"""Invariants 7 and 8: what the API says, and what the pager got. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chaos.history import History, ReceivedPage
from chaos.violation import Violation
from streams.alerts.alerts_topic import ACKNOWLEDGEMENT_PREFIX
from streams.alerts.incident import Incident, decode_incident

__all__ = ["check_answers", "check_pages"]

REPLICATED_MS = 7_500
"""A record can be read when its replicas have it; the log has only the time at which its leader did.

Where a replica has died its leader waits for it for `replica.lag.time.max.ms`, here 6 s.
"""


def check_answers(history: History) -> Iterator[Violation]:
    """Invariant 7: an answer includes everything that was on the log at its `as_of`, and nothing that never was."""
    commands: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for record, command in history.commands():
        commands[command.scope.id].append((record.appended_ms, command.sequence, command.state))
    for answer in history.quarantine_answers:
        for scope_id, known in commands.items():
            due = max(
                (sequence for appended, sequence, _ in known if appended <= answer.as_of_ms - REPLICATED_MS), default=0
            )
            sequence, state, _ = answer.scopes.get(scope_id, (0, "", 0))
            if sequence < due:
                yield Violation(
                    7, f"{answer.worker} as of {answer.as_of_ms}: {scope_id} has sequence {sequence}, the log had {due}"
                )
            elif sequence and (sequence, state) not in {(one, found) for _, one, found in known}:
                yield Violation(7, f"{answer.worker}: {scope_id} is {state} by sequence {sequence}, never on the log")
        for scope_id in answer.scopes.keys() - commands.keys():
            yield Violation(7, f"{answer.worker}: {scope_id} has no command on the log")
    yield from _check_row_answers(history)


def _check_row_answers(history: History) -> Iterator[Violation]:
    # Target -> the append times of its rows, the total of the newest row up to each, and every total that there was.
    times: dict[str, list[int]] = defaultdict(list)
    newest: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for record, target, row in history.rows():
        before = newest[target][-1] if newest[target] else (-1, 0)
        newest[target].append(max(before, (row.offset, row.totals()["responses"])))
        times[target].append(record.appended_ms)
    totals = {target: {total for _, total in known} | {0} for target, known in newest.items()}
    for answer in history.row_answers:
        position = bisect_right(times[answer.target], answer.as_of_ms - REPLICATED_MS)
        due = newest[answer.target][position - 1][1] if position else 0
        if answer.responses < due or answer.responses not in totals.get(answer.target, {0}):
            yield Violation(
                7,
                f"{answer.worker} as of {answer.as_of_ms}: {answer.target} has {answer.responses} "
                f"responses, the log had {due}",
            )


def check_pages(history: History) -> Iterator[Violation]:
    """Invariant 8, by the rows of `alerts`: who was to be told, and who was told twice.

    A first message is due for an incident that was open at the end, or whose row says that a sink was sent one. The
    same message again needs a disturbance between the two, and so does a second first message of one severity.
    """
    rows: dict[str, Incident] = {}
    opened: dict[tuple[str, int], Incident] = {}
    for record in history.records("alerts"):
        if record.key is None or record.value is None or record.key.startswith(ACKNOWLEDGEMENT_PREFIX.encode()):
            continue
        incident = decode_incident(record.value)
        known = rows.get(incident.key)
        if known is None or incident.revision >= known.revision:
            rows[incident.key] = incident
        opened.setdefault((incident.key, incident.episode), incident)
        if incident.last_sent:
            opened[incident.key, incident.episode] = incident
    got: dict[tuple[str, int], list[ReceivedPage]] = defaultdict(list)
    for page in history.pages:
        if page.status is not None and 200 <= page.status < 300:
            got[page.incident, page.episode].append(page)
    for (key, episode), incident in opened.items():
        was_told = any(sent.episode == episode and not sent.undelivered for sent in incident.last_sent.values())
        is_open = rows[key].episode == episode and rows[key].closed_at is None
        if (was_told or is_open) and not got[key, episode]:
            yield Violation(8, f"the pager got nothing of {key}, episode {episode}")
    for (key, episode), pages in got.items():
        yield from _check_repetitions(history, key, episode, pages)
        if (key, episode) not in opened:
            yield Violation(8, f"the pager got {key}, episode {episode}, which is no incident")


def _check_repetitions(history: History, key: str, episode: int, pages: list[ReceivedPage]) -> Iterator[Violation]:
    by_message: dict[tuple[str, str], list[ReceivedPage]] = defaultdict(list)
    for page in pages:
        by_message[page.id, page.action].append(page)
    firsts: dict[str, list[ReceivedPage]] = defaultdict(list)
    for page in pages:
        if page.action == "trigger":
            firsts[page.severity].append(page)
    for same in [*by_message.values(), *firsts.values()]:
        for earlier, later in pairwise(same):
            if not any(earlier.at_ms - 1_000 <= at <= later.at_ms for at in history.disturbances_ms):
                yield Violation(
                    8,
                    f"the pager got {later.action} {later.id} of {key}, episode {episode}, again after "
                    f"{later.at_ms - earlier.at_ms} ms, and nothing was disturbed meanwhile",
                )
