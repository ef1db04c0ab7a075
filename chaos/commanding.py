"""Invariants 3, 4, 5 and 9: commands, what gates did with them, releases, savings. Pure."""

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from chaos.accepted import Accepted
from chaos.history import GateEvent, History, LogRecord
from chaos.violation import Violation
from halt400.gate.commands import is_newer
from halt400.records import Command, Savings, Source

__all__ = ["check_commands", "check_gates", "check_releases", "check_savings"]

CLOCK_MARGIN_MS = 100
"""A line of a scraper's history is written this long after the gate's decision at the most."""

_decode_savings = msgspec.json.Decoder(Savings).decode


def by_scope(history: History) -> dict[str, list[tuple[LogRecord, Command]]]:
    """The commands of each scope, in the order of the log."""
    found: dict[str, list[tuple[LogRecord, Command]]] = defaultdict(list)
    for record, command in history.commands():
        found[command.scope.id].append((record, command))
    return found


def check_commands(history: History) -> Iterator[Violation]:
    """Invariant 3. The same command twice is one: a worker that dies after the broker took it sends it again."""
    causes: dict[tuple[str, Source], str] = {}
    for scope_id, commands in by_scope(history).items():
        sequences: dict[int, str] = {}
        firsts: dict[str, Command] = {}
        last, is_open = 0, False
        for record, command in commands:
            known = sequences.get(command.sequence)
            where = f"{scope_id} at control-{record.partition}@{record.offset}"
            first = firsts.setdefault(command.command_id, command)
            if known == command.command_id:
                if _without_times(command) != _without_times(first):
                    yield Violation(3, f"{where}: {known} is written again, and differs")
                continue
            if known is not None:
                yield Violation(3, f"{where}: sequence {command.sequence} is {known} and {command.command_id}")
            elif command.sequence != last + 1:
                yield Violation(3, f"{where}: sequence {command.sequence} follows {last}")
            if command.command_id in sequences.values():
                yield Violation(3, f"{where}: {command.command_id} has two sequences")
            sequences[command.sequence], last = command.command_id, max(last, command.sequence)
            # What follows in the same fold, such as an operation that extends it, has the time and source of the first.
            source, was_open, is_open = command.source, is_open, command.state != "released"
            if source is not None and is_open and not was_open:
                other = causes.setdefault((scope_id, source), command.command_id)
                if other != command.command_id:
                    yield Violation(3, f"{where}: {source} led to {other} and to {command.command_id}")


def _without_times(command: Command) -> Command:
    return msgspec.structs.replace(command, issued_at=0, opened_at=0, expires_at=0)


def check_gates(history: History) -> Iterator[Violation]:
    """Invariant 4, by each scraper's own history; the one probe over all of them."""
    probes: dict[str, str] = {}
    for scraper, lines in history.scrapers.items():
        known: dict[str, GateEvent] = {}
        for line in lines:
            if line.kind == "command" and line.scope_id is not None:
                known[line.scope_id] = line
            elif line.kind == "sent":
                for scope_id in (f"target/{line.target}", f"job/{line.target}/{line.job_id}"):
                    command = known.get(scope_id)
                    if command is not None:
                        yield from _check_let_through(scraper, line, command, probes)


def _check_let_through(
    scraper: str, sent: GateEvent, command: GateEvent, probes: dict[str, str]
) -> Iterator[Violation]:
    if command.state == "released" or sent.at_ms >= (command.expires_at or 0) - CLOCK_MARGIN_MS:
        return
    what = f"{scraper} let {sent.id} pass on {command.scope_id}, which is {command.state} by {command.command_id}"
    if command.state == "quarantined":
        yield Violation(4, what)
    elif command.issued_by != sent.gate:
        yield Violation(4, f"{what}, and has no lease of its probe")
    else:
        first = probes.setdefault(command.command_id or "", sent.id or "")
        if first != sent.id:
            yield Violation(4, f"{what}, after its one probe {first}")


def check_releases(history: History, events: list[Accepted]) -> Iterator[Violation]:
    """Invariant 5: what opens a released scope came after the release; gates end up with the last command."""
    times = {event.place: min(event.time_ms, event.appended_ms + 30_000) for event in events}
    responses = f"{history.prefix}responses"
    for scope_id, commands in by_scope(history).items():
        ordered = {command.sequence: command for _, command in commands}
        for sequence, command in ordered.items():
            before, source = ordered.get(sequence - 1), command.source
            opens = command.state == "quarantined" and command.opened_at == command.issued_at
            if not opens or before is None or before.state != "released" or source is None:
                continue
            place = source.partition, source.offset, source.index
            received = times.get(place) if source.topic == responses else None
            if received is not None and received < before.issued_at:
                yield Violation(
                    5,
                    f"{scope_id}: {command.command_id} opens by a 400 of {received}, before the release "
                    f"{before.command_id} of {before.issued_at}",
                )
        effective = commands[0][0].value or b""
        for record, _ in commands[1:]:
            if is_newer(effective, record.value or b""):
                effective = record.value or b""
        final = msgspec.json.decode(effective, type=Command)
        if final.sequence != max(ordered):
            yield Violation(
                5,
                f"{scope_id}: a gate that reads the log ends with sequence {final.sequence} "
                f"({final.state}), the last is {max(ordered)} ({ordered[max(ordered)].state})",
            )


def check_savings(history: History) -> Iterator[Violation]:
    """Invariant 9: of each gate and quarantine on the log, of each quarantine in the answers of one worker."""
    counts: dict[bytes, int] = {}
    for record in history.records("savings"):
        if record.key is None or record.value is None:
            continue
        savings = _decode_savings(record.value)
        if savings.requests < counts.get(record.key, 0):
            yield Violation(9, f"{record.key.decode()}: {savings.requests} after {counts[record.key]}")
        counts[record.key] = max(savings.requests, counts.get(record.key, 0))
    shown: dict[tuple[str, str], tuple[int, int]] = {}
    for answer in history.quarantine_answers:
        for scope_id, (sequence, _, not_sent) in answer.scopes.items():
            before = shown.get((answer.worker, scope_id))
            # Another quarantine of the scope begins at 0: answers with the same command are compared.
            if before is not None and before[0] == sequence and not_sent < before[1]:
                yield Violation(9, f"{answer.worker} shows {not_sent} not sent of {scope_id}, after {before[1]}")
            shown[answer.worker, scope_id] = sequence, not_sent
