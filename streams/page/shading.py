"""What a chart shades: when something was halted or probed, and when the evidence reached a tier. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from halt400.records import Command
from streams.api.series import Series
from streams.detection import Mixture, Tiers

__all__ = ["SHADE_TEXTS", "Shade", "halts", "tiers_reached"]

ShadeKind = Literal["halted", "probing", "ticket", "page"]
SHADE_TEXTS: dict[ShadeKind, str] = {
    "halted": "halted",
    "probing": "probing",
    "ticket": "evidence at the tier ticket, by these counts",
    "page": "at the tier page",
}
MOST_BAD_REQUESTS = 100
"""400s of a step that are counted one by one: far fewer bring the evidence to its bound."""
_STATES: dict[str, ShadeKind] = {"quarantined": "halted", "probing": "probing"}


@dataclass(frozen=True)
class Shade:
    """A time [from_ms, to_ms), milliseconds since the epoch."""

    kind: ShadeKind
    from_ms: int
    to_ms: int


def halts(commands: Iterable[Command], now_ms: int) -> list[Shade]:
    """Return when at least one scope was quarantined, and when one was probed, by the commands that are known.

    A command holds until the next one of its scope, or until its end.
    """
    found: dict[ShadeKind, list[tuple[int, int]]] = {}
    next_at: dict[str, int] = {}
    for command in sorted(commands, key=lambda command: (-command.issued_at, -command.sequence)):
        end = min(next_at.get(command.scope.id, now_ms), command.expires_at, now_ms)
        next_at[command.scope.id] = command.issued_at
        kind = _STATES.get(command.state)
        if kind is not None and end > command.issued_at:
            found.setdefault(kind, []).append((command.issued_at, end))
    return [Shade(kind, *span) for kind, spans in found.items() for span in _joined(spans)]


def tiers_reached(series: Series, p0: float, tiers: Tiers) -> list[Shade]:
    """Return the steps in which a detector at this null ratio reaches a tier, as few shades as there can be.

    The detector of the worker counts logical requests one by one; here a step's responses are counted as its good ones
    and then its 400s, so that the time is right to a step.
    """
    mixture, step_ms = Mixture(p0), series.step_s * 1000
    found: dict[ShadeKind, list[tuple[int, int]]] = {}
    for at, responses, bad in zip(series.start, series.responses, series.bad_requests, strict=True):
        mixture.gap += responses - bad
        highest = mixture.evidence() if responses else 0.0
        for _ in range(min(bad, MOST_BAD_REQUESTS)):
            highest = max(highest, mixture.bad_request(learn=False))
        kind: ShadeKind | None = "page" if highest >= tiers.page else "ticket" if highest >= tiers.ticket else None
        if kind is not None:
            found.setdefault(kind, []).append((at, at + step_ms))
    return [Shade(kind, *span) for kind, spans in found.items() for span in _joined(spans)]


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined
