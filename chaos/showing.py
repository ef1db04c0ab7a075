"""Invariants 7 and 8: what the API says, and what the pager got. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chaos.history import History, LogRecord, ReceivedPage
from chaos.violation import Violation
from streams.alerts.alerts_topic import ACKNOWLEDGEMENT_PREFIX
from streams.alerts.incident import Incident, decode_incident

__all__ = ["check_answers", "check_pages"]

ROUNDED_MS = 2
"""`as_of` has whole milliseconds."""
FRESH_MS = 12_000
"""An answer that does not say that it is stale is at most this old: Kafka answered within 10 s, to a fetch before."""
NEVER = 1 << 62
LATE_MS = 1_000
"""A page that takes so long to the pager may be answered after the sink's timeout of 2 s: it is sent again then."""
ROW_IS_KNOWN_MS = 30_000
"""A worker that took over before a row could be read sends what the row says was sent until then, at the latest."""


def check_answers(history: History) -> Iterator[Violation]:
    """Invariant 7: an answer includes everything that could be read at its `as_of`, and nothing that never was."""
    commands: dict[str, list[tuple[LogRecord, int, str]]] = defaultdict(list)
    for record, command in history.commands():
        commands[command.scope.id].append((record, command.sequence, command.state))
    for answer in history.quarantine_answers:
        ends = _readable_at(history, answer.as_of_ms)
        for scope_id, known in commands.items():
            due = max((sequence for record, sequence, _ in known if _is_readable(ends, "control", record)), default=0)
            sequence, state, _ = answer.scopes.get(scope_id, (0, "", 0))
            if sequence < due:
                yield Violation(
                    7, f"{answer.worker} as of {answer.as_of_ms}: {scope_id} has sequence {sequence}, the log had {due}"
                )
            elif sequence and (sequence, state) not in {(one, found) for _, one, found in known}:
                yield Violation(7, f"{answer.worker}: {scope_id} is {state} by sequence {sequence}, never on the log")
        for scope_id in answer.scopes.keys() - commands.keys():
            yield Violation(7, f"{answer.worker}: {scope_id} has no command on the log")
    yield from _check_rows_answers(history)
    for one in (*history.quarantine_answers, *history.rows_answers):
        if not one.stale and one.asked_ms - one.as_of_ms > FRESH_MS:
            yield Violation(
                7,
                f"{one.worker} as of {one.as_of_ms}: {one.asked_ms - one.as_of_ms} ms old, and it says it is not stale",
            )


def _readable_at(history: History, at_ms: int) -> dict[tuple[str, int], int]:
    """The log ends that were seen last before a moment."""
    position = bisect_right(history.readable, at_ms - ROUNDED_MS, key=lambda seen: seen.at_ms)
    return history.readable[position - 1].ends if position else {}


def _is_readable(ends: dict[tuple[str, int], int], topic: str, record: LogRecord) -> bool:
    return record.offset < ends.get((topic, record.partition), 0)


def _check_rows_answers(history: History) -> Iterator[Violation]:
    # Target -> its rows' offsets on the log, the total of the newest row up to each, and every total that there was.
    places: dict[str, list[int]] = defaultdict(list)
    newest: dict[str, list[tuple[int, int]]] = defaultdict(list)
    partitions: dict[str, int] = {}
    for record, target, row in history.rows():
        before = newest[target][-1] if newest[target] else (-1, 0)
        newest[target].append(max(before, (row.offset, row.totals()["responses"])))
        places[target].append(record.offset)
        partitions[target] = record.partition
    totals = {target: {total for _, total in known} | {0} for target, known in newest.items()}
    for answer in history.rows_answers:
        ends = _readable_at(history, answer.as_of_ms)
        for target in newest.keys() | answer.targets.keys():
            position = bisect_left(places[target], ends.get(("rates", partitions.get(target, 0)), 0))
            due = newest[target][position - 1][1] if position else 0
            shown = answer.targets.get(target, 0)
            if shown < due or shown not in totals.get(target, {0}):
                yield Violation(
                    7, f"{answer.worker} as of {answer.as_of_ms}: {target} has {shown} responses, the log had {due}"
                )


def check_pages(history: History) -> Iterator[Violation]:
    """Invariant 8, by the rows of `alerts`: who was to be told, and who was told twice.

    A first message is due for an incident that was open at the end, or whose row says that a sink was sent one. The
    same message again needs a disturbance between the two, and so does a second first message of one severity. Where
    a row says that a message was sent, and could be read for long, no disturbance excuses it.
    """
    rows: dict[str, Incident] = {}
    opened: dict[tuple[str, int], Incident] = {}
    said: dict[tuple[str, int, str, int], int] = {}
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
        for sent in incident.last_sent.values():
            if not sent.undelivered:
                said.setdefault((incident.key, sent.episode, sent.action, sent.at), _readable_from(history, record))
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
        yield from _check_repetitions(history, key, episode, pages, said)
        if (key, episode) not in opened:
            yield Violation(8, f"the pager got {key}, episode {episode}, which is no incident")


def _readable_from(history: History, record: LogRecord) -> int:
    """When a row of `alerts` was first seen to be readable; never, where nobody looked."""
    position = bisect_right(
        history.readable, record.offset, key=lambda seen: seen.ends.get(("alerts", record.partition), 0)
    )
    return history.readable[position].at_ms if position < len(history.readable) else NEVER


def _moved_meanwhile(history: History, page: ReceivedPage) -> bool:
    """Whether its partition moved while the worker waited for the pager's answer."""
    return any(page.composed_at <= at <= page.at_ms + 1_000 for at in history.moved_ms)


def _check_repetitions(
    history: History,
    key: str,
    episode: int,
    pages: list[ReceivedPage],
    said: dict[tuple[str, int, str, int], int],
) -> Iterator[Violation]:
    by_message: dict[tuple[str, str], list[ReceivedPage]] = defaultdict(list)
    for page in pages:
        by_message[page.id, page.action].append(page)
    firsts: dict[str, list[ReceivedPage]] = defaultdict(list)
    for page in pages:
        if page.action == "trigger":
            firsts[page.severity].append(page)
    for same in [*by_message.values(), *firsts.values()]:
        for earlier, later in pairwise(same):
            known_ms = said.get((key, episode, earlier.action, earlier.composed_at), NEVER)
            if earlier.id == later.id and later.at_ms - known_ms > ROW_IS_KNOWN_MS:
                yield Violation(
                    8,
                    f"the pager got {later.action} {later.id} of {key}, episode {episode}, again "
                    f"{later.at_ms - known_ms} ms after the row said that it was sent",
                )
            was_disturbed = any(earlier.at_ms - 1_000 <= at <= later.at_ms for at in history.disturbances_ms)
            came_late = earlier.at_ms - earlier.composed_at > LATE_MS
            if not was_disturbed and not came_late and not _moved_meanwhile(history, earlier):
                yield Violation(
                    8,
                    f"the pager got {later.action} {later.id} of {key}, episode {episode}, again after "
                    f"{later.at_ms - earlier.at_ms} ms, and nothing was disturbed meanwhile",
                )
