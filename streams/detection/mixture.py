"""The detector: a mixture of eight Shiryaev-Roberts statistics over logical requests, in at most 100 bytes.

Null hypothesis: a logical request ends in a 400 with probability at most p0. Eight alternatives p_i are log-spaced in
[3 p0, 0.9]; with q_i = (1 - p_i) / (1 - p0) and phi_i = q_i / (1 - q_i),

- a request that is not a 400: ``gap += 1``, nothing else;
- a 400: ``R_i = (phi_i + (R_i - phi_i) * q_i**gap + 1) * p_i / p0``, ``gap = 0``, and the evidence is the mean of R_i.

The evidence is an e-detector (Shin, Ramdas, Rinaldo, "E-detectors", arXiv 2203.03532): under the null its expectation
after n requests is at most n + phi, phi its value at rest, so the mean number of requests until it first reaches a
threshold H is at least H - phi, whatever the traffic. So H is the number of requests per false alarm; expectations
add up, so this is true for the whole fleet at once. R_i starts at phi_i, where good requests bring it, so the first
break is found as fast as a later one (docs/adr/0003-detection.md has the figures).
"""

from functools import lru_cache
from struct import Struct as Layout
from typing import Final, NamedTuple, Self

from msgspec import Struct

from streams.detection.null_ratio import FLOOR, null_ratio

__all__ = ["COMPONENTS", "Mixture", "Tiers"]

COMPONENTS: Final = 8
MOST_EVIDENCE: Final = 1e15
"""R_i stops here: far above every threshold, and a known number of good requests brings it down again."""
SETTLED: Final = 0.25
"""Evidence up to this part of 1 / p0 is no alarm: at rest it is about a tenth of 1 / p0, after one 400 about 1 / p0."""
HISTORY_CAP: Final = 1 << 21
"""Clean trials remembered; beyond it history is halved, so that what is normal for a target may change."""
_SMALLEST_BATCH: Final = 64
_P0_AT_FIRST: Final = null_ratio(0, 0)
_MOST_U32: Final = (1 << 32) - 1
_MOST_U64: Final = (1 << 64) - 1
_AT_REST = Layout("<BQIIIId")
_WITH_EVIDENCE = Layout(f"<BQIIIId{COMPONENTS}d")


class Tiers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds on the evidence: requests over the whole fleet per false alarm that you accept.

    Attributes
    ----------
    ticket
        For working hours. 1e9: one false ticket in 1,000,000,000 requests.
    page
        Wakes a person. 8.64e10: one false page a day at a million requests a second.
    """

    ticket: float = 1e9
    page: float = 8.64e10


class _Grid(NamedTuple):
    """What depends on p0 alone, one entry per component."""

    q: tuple[float, ...]
    phi: tuple[float, ...]
    gain: tuple[float, ...]


@lru_cache(maxsize=8_192)
def _grid(p0: float) -> _Grid:
    low, high = min(3.0 * p0, (p0 + 0.9) / 2.0), 0.9
    p = [low * (high / low) ** (i / (COMPONENTS - 1)) for i in range(COMPONENTS)]
    q = tuple((1.0 - p_i) / (1.0 - p0) for p_i in p)
    phi = tuple(q_i / (1.0 - q_i) for q_i in q)
    return _Grid(q, phi, tuple(p_i / p0 for p_i in p))


class Mixture:
    """The evidence that one target, or one job on a target, is broken.

    Attributes
    ----------
    gap
        Logical requests that were not 400s since the last 400. Add one for each: ``mixture.gap += 1``.
    p0
        The null ratio in use.
    trials, bad
        Clean history: logical requests, and the 400s among them.
    settled
        Whether the evidence before the last 400 was no more than after an ordinary gap: what came before is history.

    Examples
    --------
    >>> mixture = Mixture()
    >>> mixture.gap += 100_000
    >>> [mixture.bad_request() > Tiers().page for _ in range(3)]
    [False, False, True]
    """

    __slots__ = ("_r", "bad", "gap", "p0", "pending_bad", "pending_trials", "settled", "trials")

    def __init__(self, p0: float | None = None) -> None:
        self.gap = 0
        self.trials = self.bad = self.pending_trials = self.pending_bad = 0
        self.p0 = _P0_AT_FIRST if p0 is None else p0
        self.settled = True
        self._r: tuple[float, ...] | None = None

    def bad_request(self, *, learn: bool = True, floor: float = FLOOR) -> float:
        """Add a 400 and return the evidence.

        Parameters
        ----------
        learn
            False while the scope is quarantined: p0 stays as it is.
        floor
            The least p0.

        Notes
        -----
        p0 changes only here, after the good requests and before this 400, so it is fixed before each trial is known
        and the guarantee is kept. A batch of trials is added to the history while the evidence is settled and once it
        is a sixteenth of the history; so a break never becomes what is normal.
        """
        grid = _grid(self.p0)
        r = self._with_gap(grid)
        self.settled = self._r is None or sum(r) <= COMPONENTS * SETTLED / self.p0
        if learn:
            self.pending_trials = min(self.pending_trials + self.gap, _MOST_U32)
            if self.settled and self.pending_trials >= max(_SMALLEST_BATCH, self.trials >> 4):
                self._commit(floor)
        if self.p0 < floor:
            self.p0 = floor
        grid = _grid(self.p0)
        if self._r is None:
            r = grid.phi
        self.gap = 0
        grown = [(r_i + 1.0) * gain for r_i, gain in zip(r, grid.gain, strict=True)]
        if max(grown) > MOST_EVIDENCE:
            grown = [min(r_i, MOST_EVIDENCE) for r_i in grown]
        self._r = r = tuple(grown)
        if learn:
            self.pending_trials = min(self.pending_trials + 1, _MOST_U32)
            self.pending_bad = min(self.pending_bad + 1, _MOST_U32)
        return sum(r) / COMPONENTS

    def evidence(self) -> float:
        """The evidence at this moment, with the good requests since the last 400."""
        return sum(self._with_gap(_grid(self.p0))) / COMPONENTS

    def bad_requests_until(self, threshold: float) -> int:
        """How many 400s in a row would bring the evidence to `threshold`; 0 where it has reached it."""
        grid = _grid(self.p0)
        r = self._with_gap(grid)
        count = 0
        while sum(r) / COMPONENTS < min(threshold, MOST_EVIDENCE / COMPONENTS):
            r = tuple((r_i + 1.0) * gain for r_i, gain in zip(r, grid.gain, strict=True))
            count += 1
        return count

    def restart(self) -> None:
        """Reset the evidence, after a release; the clean history and p0 stay."""
        self.gap = self.pending_trials = self.pending_bad = 0
        self.settled = True
        self._r = None

    def pack(self) -> bytes:
        """The detector in at most 97 bytes, little-endian; `unpack` restores it."""
        gap, r = self.gap, self._r
        if gap > _MOST_U64:
            gap = _MOST_U64
        if r is None:
            kind, layout, r = 3 if self.settled else 2, _AT_REST, ()
        else:
            kind, layout = 7 if self.settled else 6, _WITH_EVIDENCE
        return layout.pack(kind, gap, self.trials, self.bad, self.pending_trials, self.pending_bad, self.p0, *r)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The detector that `pack` encoded.

        Raises
        ------
        ValueError
            The bytes are not of this layout.
        """
        if len(data) not in (_AT_REST.size, _WITH_EVIDENCE.size) or data[0] & ~5 != 2:
            raise ValueError(f"{len(data)} bytes are no packed detector")
        layout = _WITH_EVIDENCE if data[0] & 4 else _AT_REST
        if len(data) != layout.size:
            raise ValueError(f"{len(data)} bytes are no packed detector of kind {data[0]}")
        kind, gap, trials, bad, pending_trials, pending_bad, p0, *r = layout.unpack(data)
        mixture = cls(p0)
        mixture.gap, mixture.trials, mixture.bad = gap, trials, bad
        mixture.pending_trials, mixture.pending_bad = pending_trials, pending_bad
        mixture.settled = bool(kind & 1)
        mixture._r = tuple(r) if r else None
        return mixture

    def _with_gap(self, grid: _Grid) -> tuple[float, ...]:
        if self._r is None:
            return grid.phi
        gap = self.gap
        if not gap:
            return self._r
        return tuple([phi + (r_i - phi) * q**gap for r_i, phi, q in zip(self._r, grid.phi, grid.q, strict=True)])

    def _commit(self, floor: float) -> None:
        self.trials += self.pending_trials
        self.bad += self.pending_bad
        self.pending_trials = self.pending_bad = 0
        while self.trials > HISTORY_CAP:
            self.trials >>= 1
            self.bad >>= 1
        self.p0 = null_ratio(self.bad, self.trials, floor)
