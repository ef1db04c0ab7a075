"""What the scrapers send: targets, jobs, and which of them are broken when; the same for the same seed. Pure."""

import random
from hashlib import blake2b
from typing import NamedTuple

__all__ = ["Planned", "ScraperTraffic"]

EPOCH_MS = 6_000
"""What is broken changes this often."""
BROKEN_JOBS_PERCENT = 4
BROKEN_TARGETS_PER_MILLE = 3
BAD_REQUEST_RATIO = 0.5
"""Share of 400s among the requests of a broken job."""


class Planned(NamedTuple):
    """One request: where it goes, for which job."""

    target: str
    job_id: str


class ScraperTraffic:
    """Draws requests, and decides their status by the time at which they are sent."""

    def __init__(self, seed: int, scraper: int, *, targets: int = 24, jobs: int = 3) -> None:
        self._seed, self._draw = seed, random.Random(f"{seed}/{scraper}")
        self._targets, self._jobs = targets, jobs

    def next(self) -> Planned:
        """Draw one request; the low numbers are drawn more often."""
        target = int(self._targets * self._draw.random() ** 2)
        return Planned(f"api.shop-{target:02d}.example", f"extract-{self._draw.randrange(self._jobs)}")

    def status(self, planned: Planned, now_ms: int) -> int:
        """The status that the target answers."""
        if self.is_broken(planned, now_ms) and self._draw.random() < BAD_REQUEST_RATIO:
            return 400
        return self._draw.choices((200, 404, 503, 301), (94, 3, 2, 1))[0]

    def is_broken(self, planned: Planned, now_ms: int) -> bool:
        """Whether the job, or the whole target, is broken at that time."""
        epoch = now_ms // EPOCH_MS
        job = self._number(planned.target, planned.job_id, epoch) % 100 < BROKEN_JOBS_PERCENT
        return job or self._number(planned.target, "", epoch) % 1000 < BROKEN_TARGETS_PER_MILLE

    def _number(self, target: str, job_id: str, epoch: int) -> int:
        text = f"{self._seed}\n{target}\n{job_id}\n{epoch}"
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest())
