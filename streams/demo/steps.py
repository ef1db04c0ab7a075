"""The steps of the demonstration: each is shown as it is observed, with its time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from halt400.records import Command

__all__ = ["STEPS", "DemoOutcome", "DemoStep", "StepLog"]

STEPS = (
    "response seen",
    "retry aborted",
    "state quarantined",
    "proxy released",
    "job suspended",
    "payload saved",
)


@dataclass(frozen=True)
class DemoStep:
    """One step, observed `elapsed_ms` after the first 400."""

    name: str
    elapsed_ms: float
    detail: str


@dataclass
class DemoOutcome:
    """What was observed.

    Attributes
    ----------
    steps
        In the order in which they were observed.
    command
        The command that halted the job.
    archive_uri
        Where the evidence is, set once it was read back.
    sent, not_sent
        Requests of the broken release that were sent, and those that its gate refused.
    """

    steps: list[DemoStep] = field(default_factory=list)
    command: Command | None = None
    archive_uri: str | None = None
    sent: int = 0
    not_sent: int = 0

    @property
    def missing(self) -> list[str]:
        """The steps that were not observed."""
        seen = {step.name for step in self.steps}
        return [name for name in STEPS if name not in seen]

    @property
    def complete(self) -> bool:
        """Whether every step was observed, and the gate refused requests."""
        return not self.missing and self.not_sent > 0


class StepLog:
    """Records each step once, and shows it."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.perf_counter) -> None:
        self.outcome = DemoOutcome()
        self._console = console
        self._clock = clock
        self._began: float | None = None

    def print(self, text: str) -> None:
        """Show a line that is no step."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def record(self, name: str, detail: str) -> None:
        """Record that step `name` was observed, unless it is recorded already; the clock starts with the first step.

        The lines of `detail` are shown below one another.
        """
        now = self._clock()
        if any(step.name == name for step in self.outcome.steps):
            return
        if self._began is None:
            self._began = now
        step = DemoStep(name, (now - self._began) * 1000, detail)
        self.outcome.steps.append(step)
        first, *more = detail.splitlines()
        self.print(f"  [dim]{step.elapsed_ms:+8.1f} ms[/]  [bold]{name:<17}[/]  {escape(first)}")
        for line in more:
            self.print(f"{'':34}{escape(line)}")
