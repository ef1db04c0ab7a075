"""The fleet, worst first: which targets come before which, and what a row shows of each."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from halt400.errors import InvalidRecord
from halt400.rates import end_of_window_ms
from halt400.records import Command
from halt400.windows import WINDOWS_S, Row, bucket_counts, decode_row, window_counts
from streams.api.log_models import OffenceSummary
from streams.api.read_model import ReadModel
from streams.processing.target import RowSummary, summarize_row

__all__ = ["STATES", "Fleet", "FleetEntry", "FleetPage", "State"]

State = Literal["halted", "probing", "failing", "quiet", "no_data"]
STATES: dict[State, str] = {
    "halted": "Halted",
    "probing": "Probing",
    "failing": "400s",
    "quiet": "No 400s",
    "no_data": "No data",
}
"""Every state with its word; the worst first."""
_ORDER: dict[State, int] = {state: place for place, state in enumerate(STATES)}

FEW_RESPONSES = 20
"""With fewer responses a ratio says little: it is greyed."""
RANKING_KEPT_S = 0.5
SHARE_OF_A_CORE = 0.1
SPARK_STEP_S, SPARK_STEPS = 60, 60


@dataclass(frozen=True)
class FleetEntry:
    """One row. `since_ms`: since when it is halted; None where it is not. Times are ms since the epoch."""

    target: str
    state: State
    scopes: str
    responses: int
    bad_requests: int
    ratio: float | None
    cause: str | None
    detail: str
    since_ms: int | None
    last_bad_request_ms: int
    spark: tuple[list[int], list[int]]

    @property
    def is_few(self) -> bool:
        """Whether there are too few responses to tell."""
        return self.responses < FEW_RESPONSES


@dataclass(frozen=True)
class FleetPage:
    """The rows of one page, of `total` that fit; `states` counts all targets by state."""

    entries: list[FleetEntry]
    total: int
    targets: int
    states: Mapping[State, int]
    as_of: int


@dataclass(frozen=True)
class _Ranking:
    """All targets in order, each with its state; valid until a time of the monotonic clock."""

    order: list[tuple[str, State]]
    states: Mapping[State, int]
    as_of: int
    valid_until_s: float


@dataclass
class Fleet:
    """Ranks the targets again at most twice a second, in a thread, and for at most a tenth of a core."""

    model: ReadModel
    _rankings: dict[str, "asyncio.Task[_Ranking]"] = field(default_factory=dict)
    _summaries: dict[bytes, tuple[bytes, RowSummary]] = field(default_factory=dict)

    async def page(
        self, *, window: str, search: str, state: State | None, sort: str, offset: int, limit: int
    ) -> FleetPage:
        """Return one page of the targets that fit."""
        ranking = await self._ranking(window)
        sought = search.lower()
        found = [
            (name, known)
            for name, known in ranking.order
            if (not sought or sought in name.lower()) and (state is None or known == state)
        ]
        if sort == "name":
            found.sort()
        entries = self._entries(found[offset : offset + limit], window)
        return FleetPage(entries, len(found), len(ranking.order), ranking.states, ranking.as_of)

    async def _ranking(self, window: str) -> _Ranking:
        task = self._rankings.get(window)
        if task is None or (task.done() and not _is_current(task)):
            task = self._rankings[window] = asyncio.create_task(self._rank(window))
        return await asyncio.shield(task)

    async def _rank(self, window: str) -> _Ranking:
        model, began = self.model, time.monotonic()
        as_of, now_ms = model.as_of, model.clock_ms()
        commands = _by_target(self._commands_in_force())
        rows = list(model.rates.follower.values.items())
        order = await asyncio.to_thread(_order, rows, commands, WINDOWS_S[window], now_ms, self._summaries)
        took = time.monotonic() - began
        kept_s = max(RANKING_KEPT_S, took * (1 - SHARE_OF_A_CORE) / SHARE_OF_A_CORE)
        return _Ranking(order, Counter(state for _, state in order), as_of, began + took + kept_s)

    def _commands_in_force(self, target: str | None = None) -> list[Command]:
        return self.model.quarantines.find(states=("quarantined", "probing"), target=target, job_id=None, expired=False)

    def _entries(self, names: Sequence[tuple[str, State]], window: str) -> list[FleetEntry]:
        model, now_ms = self.model, self.model.clock_ms()
        wanted = {name for name, _ in names}
        last: dict[str, OffenceSummary] = {}
        for offence in model.logs.offences.newest(lambda offence: offence.time):
            if offence.target in wanted:
                last.setdefault(offence.target, offence)
        entries = []
        for name, _ in names:
            value = model.rates.follower.values.get(name.encode())
            commands = model.quarantines.shown(self._commands_in_force(name))
            try:
                row = Row() if value is None else decode_row(value)
            except InvalidRecord:
                row = Row()
            entries.append(_entry(name, row, commands, last.get(name), WINDOWS_S[window], now_ms))
        return entries


def _is_current(task: "asyncio.Task[_Ranking]") -> bool:
    return not task.cancelled() and task.exception() is None and time.monotonic() < task.result().valid_until_s


def _by_target(commands: Iterable[Command]) -> dict[str, list[Command]]:
    found: dict[str, list[Command]] = {}
    for command in commands:
        found.setdefault(command.scope.target, []).append(command)
    return found


def _order(
    rows: Sequence[tuple[bytes, bytes]],
    commands: Mapping[str, Sequence[Command]],
    window_s: int,
    now_ms: int,
    summaries: dict[bytes, tuple[bytes, RowSummary]],
) -> list[tuple[str, State]]:
    """Order the targets: halted, then by 400s over all, then by name. Only rows with a recent 400 are decoded."""
    from_ms = now_ms - window_s * 1000
    ranked: list[tuple[int, float, str, State]] = []
    known = set()
    for key, value in rows:
        name = key.decode(errors="replace")
        known.add(name)
        found = summaries.get(key)
        if found is None or found[0] is not value:
            try:
                found = summaries[key] = value, summarize_row(value)
            except Exception:  # a row of a later release: listed without counts
                found = value, RowSummary(0, 0, 0)
        summary = found[1]
        in_force = commands.get(name, ())
        lower = _lower_ratio(value, window_s, now_ms) if summary.bad_request_ms >= from_ms else 0.0
        state = _state(in_force, has_bad=lower > 0, has_any=summary.latest_ms >= from_ms)
        ranked.append((_ORDER[state], -lower, name, state))
    ranked += [(_ORDER[state], 0.0, name, state) for name in commands.keys() - known
               for state in (_state(commands[name], has_bad=False, has_any=False),)]  # fmt: skip
    ranked.sort()
    return [(name, state) for _, _, name, state in ranked]


def _state(in_force: Sequence[Command], *, has_bad: bool, has_any: bool) -> State:
    if any(command.state == "quarantined" for command in in_force):
        return "halted"
    if in_force:
        return "probing"
    return "failing" if has_bad else "quiet" if has_any else "no_data"


def _lower_ratio(value: bytes, window_s: int, now_ms: int) -> float:
    """400s over all, with 10 good responses added, so that 1 of 1 does not come before 900 of 1,000."""
    try:
        row = decode_row(value)
    except InvalidRecord:
        return 0.0
    counts = window_counts(row, window_s, end_of_window_ms(row, now_ms))
    return counts.bad_requests / (counts.responses + 10)


def _entry(
    name: str,
    row: Row,
    commands: Sequence[Command],
    offence: OffenceSummary | None,
    window_s: int,
    now_ms: int,
) -> FleetEntry:
    end_ms = end_of_window_ms(row, now_ms)
    counts = window_counts(row, window_s, end_ms)
    end = -(-end_ms // (SPARK_STEP_S * 1000)) * SPARK_STEP_S * 1000
    hour = bucket_counts(row, end - SPARK_STEPS * SPARK_STEP_S * 1000, SPARK_STEP_S, SPARK_STEPS)
    lead = commands[0] if commands else None
    is_recent = offence is not None and offence.time >= now_ms - window_s * 1000
    diagnosis = lead.diagnosis if lead else offence.diagnosis if offence is not None and is_recent else None
    return FleetEntry(
        target=name,
        state=_state(commands, has_bad=counts.bad_requests > 0, has_any=counts.responses > 0),
        scopes=_scopes(commands),
        responses=counts.responses,
        bad_requests=counts.bad_requests,
        ratio=counts.bad_request_ratio,
        cause=diagnosis.cause if diagnosis else None,
        detail=diagnosis.evidence[0].detail if diagnosis and diagnosis.evidence else lead.reason if lead else "",
        since_ms=min((command.opened_at for command in commands), default=None),
        last_bad_request_ms=row.bad_request_seen,
        spark=(hour["responses"], hour["400"]),
    )


def _scopes(commands: Sequence[Command]) -> str:
    if any(command.scope.kind == "target" for command in commands):
        return "whole target"
    jobs = sum(command.scope.kind == "job" for command in commands)
    requests = len(commands) - jobs
    parts = [
        f"{number} {noun}{'s' * (number != 1)}" for number, noun in ((jobs, "job"), (requests, "request")) if number
    ]
    return ", ".join(parts)
