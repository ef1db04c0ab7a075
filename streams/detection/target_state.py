"""The state of one target: its detectors, its failing requests, its scopes; bounded, and encoded without loss."""

from typing import Final

import msgspec
from msgspec import Struct

from halt400.records import Command, Milliseconds, Source
from streams.detection.decision import PendingGrant
from streams.detection.mixture import Mixture
from streams.detection.origins import Origin
from streams.detection.requests import RequestMemory
from streams.quarantine.lifecycle import QuarantineState

__all__ = ["AlarmState", "JobState", "LastDecision", "TargetState", "decode_target_state", "encode_target_state"]

MOST_JOBS: Final = 4_096
"""Jobs watched per target; beyond it a quarter of those that are not quarantined are forgotten, those with the least
history first."""
MOST_REQUEST_SCOPES: Final = 256
"""Single requests quarantined per target; beyond it the oldest is forgotten."""
MOST_SUSPECTS: Final = 16
MOST_OPERATIONS: Final = 64


class LastDecision(Struct, array_like=True, frozen=True):
    """What the last 400 of a target led to, for `explain`."""

    at_ms: Milliseconds
    event_id: str
    scope_id: str
    fired: bool
    why: str
    command_id: str | None = None


class AlarmState(Struct, array_like=True):
    """What the target's evidence comes from, and what was done about it; reset when the evidence is gone.

    Attributes
    ----------
    signatures, jobs
        In the order of their first 400; at most 16 of each.
    reported
        What was reported since the evidence began to rise: ``ticket``, ``page``, ``poison_item``.
    requested_at, refused_at
        When a grant to quarantine the target was last requested, and when the fleet refused it; 0 for never, or where
        it was granted since.
    """

    signatures: list[str] = []
    jobs: list[str] = []
    reported: list[str] = []
    requested_at: Milliseconds = 0
    refused_at: Milliseconds = 0

    def add(self, signature: str, job_id: str) -> None:
        """Add the signature and the job of a 400 that was counted."""
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
    """One target; the functions ``apply_*`` of this package change it.

    Attributes
    ----------
    scopes, shadow_scopes
        The state of each scope, by scope id; in `shadow_scopes` as it would be if commands had been issued.
    operations
        Ids of the last operations, so that none is applied twice.
    pending_grant
        The grant that was requested and not decided yet.
    """

    __slots__ = (
        "alarm",
        "jobs",
        "last",
        "memory",
        "mixture",
        "name",
        "operations",
        "pending_grant",
        "scopes",
        "shadow_scopes",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.mixture = Mixture()
        self.jobs: dict[str, JobState] = {}
        self.memory = RequestMemory()
        self.alarm = AlarmState()
        self.scopes: dict[str, QuarantineState] = {}
        self.shadow_scopes: dict[str, QuarantineState] = {}
        self.operations: dict[str, None] = {}
        self.last: LastDecision | None = None
        self.pending_grant: PendingGrant | None = None

    def good_request(self, job_id: str) -> None:
        """Count a logical request that was not a 400; the loop over every event does it in line."""
        self.mixture.gap += 1
        job = self.jobs.get(job_id)
        if job is None:
            job = self.job(job_id)
        job.mixture.gap += 1

    def job(self, job_id: str) -> JobState:
        """The state of a job, created where there is none."""
        job = self.jobs.get(job_id)
        if job is None:
            if len(self.jobs) >= MOST_JOBS:
                self._forget_jobs()
            job = self.jobs[job_id] = JobState()
        return job

    def halting_command(
        self, job_id: str, fingerprint: str | None, now_ms: int, *, shadow: bool = False
    ) -> Command | None:
        """The command that halts this request of this job at `now_ms`; the target's first, then the job's."""
        scopes = self.shadow_scopes if shadow else self.scopes
        scope_ids = [f"target/{self.name}", f"job/{self.name}/{job_id}"]
        if fingerprint is not None:
            scope_ids.append(f"request/{self.name}/{fingerprint}")
        for scope_id in scope_ids:
            quarantine = scopes.get(scope_id)
            if quarantine is not None and quarantine.is_halted(now_ms):
                return quarantine.command
        return None

    def was_opened_by(self, source: Source, job_id: str, fingerprint: str) -> bool:
        """Whether the command of the target, the job or the request was issued for the 400 in that very record."""
        for scope_id in (
            f"job/{self.name}/{job_id}",
            f"target/{self.name}",
            f"request/{self.name}/{fingerprint}",
        ):
            quarantine = self.scopes.get(scope_id)
            if quarantine is not None and quarantine.command.source == source:
                return True
        return False

    def failing_origins(self) -> list[Origin]:
        """Where the jobs that contributed to the evidence send from; one origin per job."""
        return [self.jobs[job_id].origin for job_id in self.alarm.jobs if job_id in self.jobs]

    def active_origins(self) -> list[Origin]:
        """Where all jobs send from, after their last 400 or sampled event; one origin per job."""
        return [job.origin for job in self.jobs.values()]

    def next_due(self) -> int | None:
        """When the next scope has something to do by time alone; None where none has."""
        if not self.scopes and not self.shadow_scopes:
            return None
        everyone = (*self.scopes.values(), *self.shadow_scopes.values())
        return min((due for quarantine in everyone if (due := quarantine.due()) is not None), default=None)

    def remember_operation(self, operation_id: str) -> bool:
        """Remember an operation; whether it is seen for the first time."""
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

        quarantined = {each.command.scope.job_id for each in self.scopes.values() if not each.is_released}
        free = sorted(((job_id, job) for job_id, job in self.jobs.items() if job_id not in quarantined), key=history)
        for job_id, _ in free[: max(1, len(free) // 4)]:
            del self.jobs[job_id]


class _Encoded(Struct, array_like=True):
    """The encoded form: fields by their place, which never changes; new ones go to the end."""

    name: str
    mixture: bytes
    jobs: dict[str, tuple[bytes, Origin]]
    memory: RequestMemory
    alarm: AlarmState
    scopes: dict[str, QuarantineState]
    shadow_scopes: dict[str, QuarantineState]
    operations: dict[str, None]
    last: LastDecision | None
    version: int = 1
    pending_grant: PendingGrant | None = None


_decode = msgspec.msgpack.Decoder(_Encoded).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_target_state(state: TargetState) -> bytes:
    """`state` as MessagePack."""
    return _encode(
        _Encoded(
            name=state.name,
            mixture=state.mixture.pack(),
            jobs={job_id: (job.mixture.pack(), job.origin) for job_id, job in state.jobs.items()},
            memory=state.memory,
            alarm=state.alarm,
            scopes=state.scopes,
            shadow_scopes=state.shadow_scopes,
            operations=state.operations,
            last=state.last,
            pending_grant=state.pending_grant,
        )
    )


def decode_target_state(data: bytes) -> TargetState:
    """The state that `encode_target_state` encoded.

    Raises
    ------
    msgspec.DecodeError, ValueError
        The bytes are not a state that this version can read.
    """
    encoded = _decode(data)
    if encoded.version != 1:
        raise ValueError(f"a target's state has version {encoded.version}; this release reads version 1")
    state = TargetState(encoded.name)
    state.mixture = Mixture.unpack(encoded.mixture)
    state.jobs = {job_id: JobState(Mixture.unpack(data), origin) for job_id, (data, origin) in encoded.jobs.items()}
    state.memory, state.alarm = encoded.memory, encoded.alarm
    state.scopes, state.shadow_scopes = encoded.scopes, encoded.shadow_scopes
    state.operations, state.last, state.pending_grant = encoded.operations, encoded.last, encoded.pending_grant
    return state
