"""The targets of one partition: those in memory, the idle ones, and the recovered rows that were not needed yet. Pure.

Idle targets are kept as their rows, a fraction of what they are in memory; the next event decodes one again.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from halt400.windows import FINE_MS, Row, decode_row
from streams.detection import Origin, OriginCounts
from streams.detection.scopes import restore_quarantine
from streams.processing.context import ProcessingContext
from streams.processing.envelopes import EnvelopedRecord
from streams.processing.target import TrackedTarget, summarize_row

__all__ = ["TargetStore"]

MOST_LOADED = 1_000
"""Targets of a partition that stay in memory, idle or not."""
IDLE_MS = 20_000
"""Beyond them, a target that has not changed for so long leaves memory, at the most as long again later."""
LEAVING_AT_ONCE = 200
"""Targets that leave in one call: each is encoded."""


class _IdleTarget(NamedTuple):
    """A target that has left memory: its row, and of it what is asked of all targets."""

    row: bytes
    latest: int
    origins: tuple[Origin, ...]


class TargetStore:
    """Loads a target from its recovered row when it is first needed, and knows which targets are due by time.

    Parameters
    ----------
    recovered
        Rows of the changelog by key; a row is removed from it when its target is loaded.

    Attributes
    ----------
    loaded
        The targets in memory by key.
    changed
        Keys of the loaded targets that changed since `take_changed`.
    recovered_offset
        The last offset that any recovered row includes, -1 where there is none.
    recovered_grants
        Key -> id of the grant that a recovered row waits for: the fleet's log has the request, and the decision.
    """

    def __init__(self, context: ProcessingContext, recovered: dict[bytes, bytes]) -> None:
        self._context, self._recovered = context, recovered
        self.loaded: dict[bytes, TrackedTarget] = {}
        self.changed: set[bytes] = set()
        self.recovered_grants: dict[bytes, str] = {}
        self._idle: dict[bytes, _IdleTarget] = {}
        self._origins: dict[Origin, Origin] = {}
        """Each origin of an idle target by itself: most are equal."""
        self._touched: set[bytes] = set()
        """Keys that changed since the targets were last looked over."""
        self._leaving: list[bytes] = []
        self._look_over_ms = 0
        summaries = [(summarize_row(value), key) for key, value in recovered.items()]
        self.recovered_offset = max((summary.offset for summary, _ in summaries), default=-1)
        self._due_times = [(summary.due_ms, key) for summary, key in summaries if summary.due_ms]
        heapify(self._due_times)

    def load(self, key: bytes) -> TrackedTarget:
        """The target of a key: from memory, from its recovered row, or a new one."""
        target = self.loaded.get(key)
        if target is None:
            target = self.loaded[key] = self._decode(self._take_row(key), key.decode())
            if target.state.pending_grant is not None:
                self.recovered_grants[key] = target.state.pending_grant.grant_id
            self.schedule(key, target)
        return target

    def _take_row(self, key: bytes) -> bytes | None:
        idle = self._idle.pop(key, None)
        return idle.row if idle is not None else self._recovered.pop(key, None)

    def look_up(self, name: str) -> TrackedTarget | None:
        """The target of that name without loading it: a copy where only its row is here, None where nothing is."""
        key = name.encode()
        target, idle = self.loaded.get(key), self._idle.get(key)
        if target is None and (value := idle.row if idle is not None else self._recovered.get(key)) is not None:
            target = self._decode(value, name)
        return target

    def let_idle_leave(self, now_ms: int) -> None:
        """Let targets that are idle leave memory where there are many; call it about once a second.

        One that is due by time, or waits for a grant, stays.
        """
        loaded, touched = self.loaded, self._touched
        if len(loaded) <= MOST_LOADED:
            return
        if now_ms >= self._look_over_ms:
            self._look_over_ms = now_ms + IDLE_MS
            self._leaving = [key for key in loaded if key not in touched]
            touched.clear()
        for key in self._leaving[-LEAVING_AT_ONCE:]:
            target = loaded.get(key)
            if target is not None and key not in touched and key not in self.changed:
                self._leave(key, target)
        del self._leaving[-LEAVING_AT_ONCE:]

    def _leave(self, key: bytes, target: TrackedTarget) -> None:
        state = target.state
        if target.due or state.pending_grant is not None:
            return
        known = self._origins.setdefault
        origins = tuple(known(origin, origin) for origin in state.active_origins())
        self._idle[key] = _IdleTarget(target.encode(), target.row.latest, origins)
        del self.loaded[key]

    def _decode(self, value: bytes | None, name: str) -> TrackedTarget:
        target = TrackedTarget.decode(value, name)
        state = target.state
        for scope_id, quarantine in list(state.scopes.items()):
            # The last worker may have ended between sending a command and writing the row that includes it.
            latest = self._context.latest_command(scope_id)
            if latest is not None and latest.sequence > quarantine.command.sequence:
                restore_quarantine(state, latest, self._context.policies().rule_for(name).durations())
        return target

    def schedule(self, key: bytes, target: TrackedTarget) -> None:
        """Note when the target is due next; call it after its scopes have changed."""
        due_ms = target.state.next_due() or 0
        if due_ms != target.due:
            target.due = due_ms
            if due_ms:
                heappush(self._due_times, (due_ms, key))

    def due(self, now_ms: int) -> Iterator[tuple[bytes, TrackedTarget]]:
        """Load the targets that are due at `now_ms`, with their keys; the caller schedules each again."""
        due_times = self._due_times
        while due_times and due_times[0][0] <= now_ms:
            due_ms, key = heappop(due_times)
            target = self.loaded.get(key)
            if target is not None and target.due == due_ms:
                yield key, target
            elif target is None and key in self._recovered:
                yield key, self.load(key)

    def learn(self, envelope: EnvelopedRecord, most: int) -> int:
        """Add up to `most` successes of an array to the profiles of their targets; how many were added."""
        latest_ms, learned = envelope.timestamp + self._context.skew_ms, 0
        for event, value in envelope.successes_with_headers():
            target = self.loaded.get(event.target.encode())
            learned += target.learn(value, min(event.time, latest_ms)) if target is not None else 0
            if learned == most:
                break
        return learned

    def take_changed(self, offset: int) -> list[tuple[bytes, bytes]]:
        """The rows that changed since the last call, encoded for the changelog as they are now.

        Parameters
        ----------
        offset
            That of the last response that was applied: each row includes its target's up to there.
        """
        rows = []
        for key in self.changed:
            target = self.loaded[key]
            target.row.offset = max(target.row.offset, offset)
            rows.append((key, target.encode()))
        self._touched |= self.changed
        self.changed.clear()
        return rows

    def rows(self) -> dict[str, Row]:
        """Every row by target name, recovered and idle ones included."""
        found = {key.decode(): decode_row(value) for key, value in self._recovered.items()}
        found |= {key.decode(): decode_row(idle.row) for key, idle in self._idle.items()}
        return found | {target.name: target.row for target in self.loaded.values()}

    def __len__(self) -> int:
        """Number of targets, active or not."""
        return len(self.loaded) + len(self._idle) + len(self._recovered)

    def count_active(self, since_ms: int) -> int:
        """Number of targets with a response since `since_ms`."""
        loaded = sum(target.row.latest * FINE_MS >= since_ms for target in self.loaded.values())
        idle = sum(target.latest * FINE_MS >= since_ms for target in self._idle.values())
        return loaded + idle + sum(summarize_row(value).latest_ms >= since_ms for value in self._recovered.values())

    def active_origins(self) -> OriginCounts | None:
        """Where the jobs of the targets send from; None while most were not loaded since recovery."""
        if len(self._recovered) > len(self.loaded) + len(self._idle):
            return None
        return OriginCounts.of(self._every_origin())

    def _every_origin(self) -> Iterator[Origin]:
        for target in self.loaded.values():
            yield from target.state.active_origins()
        for idle in self._idle.values():
            yield from idle.origins
