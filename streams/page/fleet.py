"""The fleet, worst first: which targets come before which, and what a row shows of each."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from halt400.errors import InvalidRecord
from halt400.plural import plural
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
QUICK_S, LATE_S = 0.02, 5.0
"""A ranking that takes longer than `QUICK_S` is not waited for, unless the last one is older than `LATE_S`."""
SPARK_STEP_S, SPARK_STEPS = 60, 60
_UNCOUNTED: tuple[float, State] = (0.0, "no_data")


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
    """All targets by their counts alone, each with its lower ratio and state; valid until a monotonic time."""

    order: list[str]
    counted: Mapping[str, tuple[float, State]]
    states: Mapping[State, int]
    as_of: int
    took_s: float
    valid_until_s: float


@dataclass(frozen=True)
class _Halted:
    """The targets with commands in force, the worst first; of a revision of the commands, in a second."""

    states: Mapping[str, State]
    made_of: tuple[int, int]


@dataclass
class Fleet:
    """Ranks the targets by their counts at most twice a second, in a thread, and for at most a tenth of a core.

    What is halted is looked up for each page, so that a command is seen at once.
    """

    model: ReadModel
    _rankings: dict[str, "asyncio.Task[_Ranking]"] = field(default_factory=dict)
    _last: dict[str, _Ranking] = field(default_factory=dict)
    _summaries: dict[bytes, tuple[bytes, RowSummary]] = field(default_factory=dict)
    _halted: _Halted = field(default=_Halted({}, (-1, 0)))

    async def page(
        self, *, window: str, search: str, state: State | None, sort: str, offset: int, limit: int
    ) -> FleetPage:
        """Return one page of the targets that fit."""
        ranking, halted = await self._ranking(window), self._halted_targets()
        sought, counted = search.lower(), ranking.counted
        worst = sorted(halted, key=lambda name: (_ORDER[halted[name]], -counted.get(name, _UNCOUNTED)[0], name))
        states = Counter(ranking.states)
        states.subtract(counted[name][1] for name in halted if name in counted)
        states.update(halted.values())
        total = states.total()
        found: Iterator[tuple[str, State]] = chain(
            ((name, halted[name]) for name in worst),
            ((name, counted[name][1]) for name in ranking.order if name not in halted),
        )
        if sought or state is not None or sort == "name":
            fitting = [one for one in found if sought in one[0].lower() and state in (None, one[1])]
            if sort == "name":
                fitting.sort()
            total, found = len(fitting), iter(fitting)
        entries = self._entries(list(islice(found, offset, offset + limit)), window)
        return FleetPage(entries, total, states.total(), states, ranking.as_of)

    def _halted_targets(self) -> Mapping[str, State]:
        made_of = self.model.quarantines.revision, self.model.clock_ms() // 1000
        if self._halted.made_of != made_of:
            in_force: dict[str, State] = {}
            for command in self._commands_in_force():
                name = command.scope.target
                in_force[name] = "halted" if command.state == "quarantined" else in_force.get(name, "probing")
            self._halted = _Halted(in_force, made_of)
        return self._halted.states

    async def _ranking(self, window: str) -> _Ranking:
        """The ranking in force; while the next one is made, that takes long, the last one."""
        task, last = self._rankings.get(window), self._last.get(window)
        if task is None or (task.done() and not _is_current(task)):
            task = self._rankings[window] = asyncio.create_task(self._rank(window))
        is_usable = last is not None and last.took_s > QUICK_S and time.monotonic() < last.valid_until_s + LATE_S
        if last is not None and is_usable and not task.done():
            return last
        ranking = self._last[window] = await asyncio.shield(task)
        return ranking

    async def _rank(self, window: str) -> _Ranking:
        model, began = self.model, time.monotonic()
        as_of, now_ms = model.as_of, model.clock_ms()
        rows = list(model.rates.follower.values.items())
        counted = await asyncio.to_thread(_count, rows, WINDOWS_S[window], now_ms, self._summaries)
        order = await asyncio.to_thread(_order, counted)
        took = time.monotonic() - began
        kept_s = max(RANKING_KEPT_S, took * (1 - SHARE_OF_A_CORE) / SHARE_OF_A_CORE)
        states = Counter(state for _, state in counted.values())
        return _Ranking(order, counted, states, as_of, took, began + took + kept_s)

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
            commands = self._commands_in_force(name)
            lead = model.quarantines.without_secrets(commands[0]) if commands else None
            try:
                row = Row() if value is None else decode_row(value)
            except InvalidRecord:
                row = Row()
            entries.append(_entry(name, row, commands, lead, last.get(name), WINDOWS_S[window], now_ms))
        return entries


def _is_current(task: "asyncio.Task[_Ranking]") -> bool:
    return not task.cancelled() and task.exception() is None and time.monotonic() < task.result().valid_until_s


def _count(
    rows: Sequence[tuple[bytes, bytes]],
    window_s: int,
    now_ms: int,
    summaries: dict[bytes, tuple[bytes, RowSummary]],
) -> dict[str, tuple[float, State]]:
    """The lower ratio and the state of each target by its counts. Only rows with a recent 400 are decoded."""
    from_ms = now_ms - window_s * 1000
    found: dict[str, tuple[float, State]] = {}
    for key, value in rows:
        known = summaries.get(key)
        if known is None or known[0] is not value:
            try:
                known = summaries[key] = value, summarize_row(value)
            except Exception:  # a row of a later release: listed without counts
                known = value, RowSummary(0, 0, 0)
        summary = known[1]
        lower = _lower_ratio(value, window_s, now_ms) if summary.bad_request_ms >= from_ms else 0.0
        state = _state((), has_bad=lower > 0, has_any=summary.latest_ms >= from_ms)
        found[key.decode(errors="replace")] = lower, state
    return found


def _order(counted: Mapping[str, tuple[float, State]]) -> list[str]:
    """The targets by state, then by 400s over all, then by name."""
    ranked = sorted([(_ORDER[state], -lower, name) for name, (lower, state) in counted.items()])
    return [name for _, _, name in ranked]


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
    lead: Command | None,
    offence: OffenceSummary | None,
    window_s: int,
    now_ms: int,
) -> FleetEntry:
    end_ms = end_of_window_ms(row, now_ms)
    counts = window_counts(row, window_s, end_ms)
    end = -(-end_ms // (SPARK_STEP_S * 1000)) * SPARK_STEP_S * 1000
    hour = bucket_counts(row, end - SPARK_STEPS * SPARK_STEP_S * 1000, SPARK_STEP_S, SPARK_STEPS)
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
    return ", ".join(plural(number, noun) for number, noun in ((jobs, "job"), (requests, "request")) if number)
