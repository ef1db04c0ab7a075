"""The blast radius over all workers: this process's guard, kept in step with what `control` says of everybody's. Pure.

Each worker grants by itself, over what it has granted and what it has heard that others have: see
docs/adr/0009-detection-in-the-worker.md for how far two of them can differ.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from halt400.records import Command
from streams.detection import Finding, FleetGuard, Origin, Policies, TargetState

__all__ = ["Census", "Fleet"]

ACTIVE_WITHIN_MS = 3_600_000
COUNTED_ANEW_MS = 60_000


class Census(Protocol):
    """What is known of the targets of one partition."""

    def active_targets(self, since_ms: int) -> int:
        """Number of targets that were heard of since `since_ms`."""

    def active_origins(self) -> Iterable[Origin]:
        """Where their jobs send from."""


class Fleet:
    """Grants machine-made quarantines of targets.

    Parameters
    ----------
    machine_topic
        Full name of `responses`: a target's command that a record of it caused is the machine's own.
    share
        ``share()``: the part of all partitions that this process holds, 0-1. Targets are spread evenly by their hash,
        so what is active in the whole fleet is what is active here over this.
    """

    def __init__(self, machine_topic: str, share: Callable[[], float] = lambda: 1.0) -> None:
        self._machine_topic, self._share = machine_topic, share
        self._guard = FleetGuard()
        self._ends: dict[str, int] = {}
        self._origins: dict[str, list[Origin]] = {}
        self._census: Callable[[], Iterable[Census]] = tuple
        self._active: tuple[int, int] | None = None
        self._told_at: int | None = None

    def watch(self, census: Callable[[], Iterable[Census]]) -> None:
        """Say whose targets are counted."""
        self._census = census

    def learn(self, command: Command) -> None:
        """Take in the latest command of a target's scope, whoever issued it."""
        target = command.scope.target
        machine_made = command.source is not None and command.source.topic == self._machine_topic
        if command.state == "released" or not machine_made:
            self.forget(target)
        else:
            self._ends[target] = command.expires_at
            self._guard.held.setdefault(target, command.issued_at)

    def forget(self, target: str) -> None:
        """The target has no command any more, or one that is not the machine's."""
        self._ends.pop(target, None)
        self._origins.pop(target, None)
        self._guard.released(target)

    def ask(self, state: TargetState, now_ms: int, policies: Policies) -> tuple[bool, Finding | None]:
        """Whether the target may be quarantined, and what is to be told: the guard's finding, once each time it trips.

        A grant is remembered; `learn` takes it back.
        """
        for target in [target for target, ends in self._ends.items() if ends <= now_ms]:
            self.forget(target)
        self._origins[state.name] = state.failing_origins()
        granted = self._guard.ask(state.name, self._active_targets(now_ms), now_ms, policies.fleet)
        if granted or self._guard.tripped_at in (None, self._told_at):
            return granted, None
        self._told_at = self._guard.tripped_at
        active = [origin for census in self._census() for origin in census.active_origins()]
        return granted, self._guard.finding(self._origins, active, now_ms)

    def _active_targets(self, now_ms: int) -> int:
        if self._active is None or not 0 <= now_ms - self._active[0] < COUNTED_ANEW_MS:
            here = sum(census.active_targets(now_ms - ACTIVE_WITHIN_MS) for census in self._census())
            self._active = now_ms, int(here / max(self._share(), 1e-3))
        return self._active[1]
