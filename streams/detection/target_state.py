"""What is remembered of one target: its detectors, its failing requests, the lives of its scopes. Bounded; to bytes
and back without loss.
"""

from typing import Final

import msgspec
from msgspec import Struct

from halt400.records import Command, Milliseconds, Source
from streams.detection.decision import TargetWish
from streams.detection.mixture import Mixture
from streams.detection.origins import Origin
from streams.detection.requests import RequestMemory
from streams.quarantine.lifecycle import Life

__all__ = ["JobState", "LastVerdict", "Suspicion", "TargetState", "decode_target_state", "encode_target_state"]

MOST_JOBS: Final = 4_096
"""Jobs watched per target; beyond it those with the least history that nothing holds are forgotten, a quarter at a
time."""
MOST_REQUESTS_HELD: Final = 256
"""Single requests held per target; beyond it the oldest is let go."""
MOST_SUSPECTS: Final = 16
MOST_OPERATIONS: Final = 64


class LastVerdict(Struct, array_like=True, frozen=True):
    """What the last 400 of a target led to, for `explain`."""

    at_ms: Milliseconds
    event_id: str
    scope_id: str
    fired: bool
    why: str
    command_id: str | None = None


class Suspicion(Struct, array_like=True):
    """Who contributed to the evidence that stands now: at most 16 of each, forgotten when the evidence is gone.

    Attributes
    ----------
    signatures, jobs
        In the order of their first 400; one spelling each.
    reported
        What was reported of this rise already: ``ticket``, ``page``, ``poison_item``.
    wished_at, refused_at
        When the quarantine of the target was last wished for, and when the fleet refused it; 0 for never, or where it
        was granted since.
    """

    signatures: list[str] = []
    jobs: list[str] = []
    reported: list[str] = []
    wished_at: Milliseconds = 0
    refused_at: Milliseconds = 0

    def add(self, signature: str, job_id: str) -> None:
        """Note a 400 that was counted."""
        for known, name in ((self.signatures, signature), (self.jobs, job_id)):
            if name not in known and len(known) < MOST_SUSPECTS:
                known.append(name)

    @property
    def is_wide(self) -> bool:
        """Whether it concerns the target, not one poison item: three signatures or two jobs."""
        return len(self.signatures) >= 3 or len(self.jobs) >= 2


class JobState:
    """One job on one target: add one to `mixture.gap` for each logical request that was not a 400."""

    __slots__ = ("mixture", "origin")

    def __init__(self, mixture: Mixture | None = None, origin: Origin | None = None) -> None:
        self.mixture = mixture or Mixture()
        self.origin = origin or Origin()


class TargetState:
    """One target; see `streams.detection.verdict` for what is done with it.

    Attributes
    ----------
    lives, shadow
        Where each scope stands, by scope id; in `shadow` as it would stand if commands had been issued.
    operations
        Ids of the last operations, so that none is carried out twice.
    wish
        The wish for the target's quarantine that the fleet has not answered yet.
    """

    __slots__ = ("jobs", "last", "lives", "memory", "mixture", "name", "operations", "shadow", "suspicion", "wish")

    def __init__(self, name: str) -> None:
        self.name = name
        self.mixture = Mixture()
        self.jobs: dict[str, JobState] = {}
        self.memory = RequestMemory()
        self.suspicion = Suspicion()
        self.lives: dict[str, Life] = {}
        self.shadow: dict[str, Life] = {}
        self.operations: dict[str, None] = {}
        self.last: LastVerdict | None = None
        self.wish: TargetWish | None = None

    def good_request(self, job_id: str) -> None:
        """Take in a logical request that was not a 400; on a hot path do the same two increments in line."""
        self.mixture.gap += 1
        job = self.jobs.get(job_id)
        if job is None:
            job = self.job(job_id)
        job.mixture.gap += 1

    def job(self, job_id: str) -> JobState:
        """The state of a job, made where there is none."""
        job = self.jobs.get(job_id)
        if job is None:
            if len(self.jobs) >= MOST_JOBS:
                self._forget_jobs()
            job = self.jobs[job_id] = JobState()
        return job

    def held_by(self, job_id: str, fingerprint: str | None, now_ms: int, *, shadow: bool = False) -> Command | None:
        """The command that halts this request of this job at `now_ms`; the target's before the job's."""
        lives = self.shadow if shadow else self.lives
        scope_ids = [f"target/{self.name}", f"job/{self.name}/{job_id}"]
        if fingerprint is not None:
            scope_ids.append(f"request/{self.name}/{fingerprint}")
        for scope_id in scope_ids:
            life = lives.get(scope_id)
            if life is not None and life.holds(now_ms):
                return life.command
        return None

    def was_opened_by(self, source: Source, job_id: str, fingerprint: str) -> bool:
        """Whether the command of the target, the job or the request was issued for the 400 in that very record."""
        for scope_id in (
            f"job/{self.name}/{job_id}",
            f"target/{self.name}",
            f"request/{self.name}/{fingerprint}",
        ):
            life = self.lives.get(scope_id)
            if life is not None and life.command.source == source:
                return True
        return False

    def failing_origins(self) -> list[Origin]:
        """Where the jobs that contributed to the evidence send from; one origin per job."""
        return [self.jobs[job_id].origin for job_id in self.suspicion.jobs if job_id in self.jobs]

    def active_origins(self) -> list[Origin]:
        """Where all jobs send from, as their last 400 or sampled event said; one origin per job."""
        return [job.origin for job in self.jobs.values()]

    def next_due(self) -> int | None:
        """When the next scope has something to do by time alone; None where none has."""
        dues = [
            due for lives in (self.lives, self.shadow) for life in lives.values() if (due := life.due()) is not None
        ]
        return min(dues, default=None)

    def remember_operation(self, operation_id: str) -> bool:
        """Whether this operation is seen for the first time."""
        if operation_id in self.operations:
            return False
        self.operations[operation_id] = None
        if len(self.operations) > MOST_OPERATIONS:
            del self.operations[next(iter(self.operations))]
        return True

    def _forget_jobs(self) -> None:
        def history(item: tuple[str, JobState]) -> tuple[int, str]:
            mixture = item[1].mixture
            return mixture.trials + mixture.pending_trials + mixture.gap, item[0]

        held = {life.command.scope.job_id for life in self.lives.values() if life.command.state != "released"}
        free = sorted(((job_id, job) for job_id, job in self.jobs.items() if job_id not in held), key=history)
        for job_id, _ in free[: max(1, len(free) // 4)]:
            del self.jobs[job_id]


class _Packed(Struct, array_like=True):
    name: str
    mixture: bytes
    jobs: dict[str, tuple[bytes, Origin]]
    memory: RequestMemory
    suspicion: Suspicion
    lives: dict[str, Life]
    shadow: dict[str, Life]
    operations: dict[str, None]
    last: LastVerdict | None
    version: int = 1
    wish: TargetWish | None = None


_decode = msgspec.msgpack.Decoder(_Packed).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_target_state(state: TargetState) -> bytes:
    """All of `state` as MessagePack."""
    return _encode(
        _Packed(
            name=state.name,
            mixture=state.mixture.pack(),
            jobs={job_id: (job.mixture.pack(), job.origin) for job_id, job in state.jobs.items()},
            memory=state.memory,
            suspicion=state.suspicion,
            lives=state.lives,
            shadow=state.shadow,
            operations=state.operations,
            last=state.last,
            wish=state.wish,
        )
    )


def decode_target_state(data: bytes) -> TargetState:
    """The state that was encoded.

    Raises
    ------
    msgspec.DecodeError, ValueError
        The bytes are no encoded state of this version.
    """
    packed = _decode(data)
    if packed.version != 1:
        raise ValueError(f"a target's state of version {packed.version} is not known here")
    state = TargetState(packed.name)
    state.mixture = Mixture.unpack(packed.mixture)
    state.jobs = {job_id: JobState(Mixture.unpack(data), origin) for job_id, (data, origin) in packed.jobs.items()}
    state.memory, state.suspicion = packed.memory, packed.suspicion
    state.lives, state.shadow = packed.lives, packed.shadow
    state.operations, state.last, state.wish = packed.operations, packed.last, packed.wish
    return state
