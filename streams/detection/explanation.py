"""What `halt400 explain` shows of a target: its rule, how far each tier is from firing, what its last 400 led to."""

from datetime import UTC, datetime
from math import log
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from halt400.plural import plural
from halt400.records import Milliseconds, RequestChange
from streams.detection.mixture import Mixture
from streams.detection.policy import Policies
from streams.detection.target_state import TargetState
from streams.quarantine.lifecycle import QuarantineState

__all__ = ["Explanation", "LastReading", "ScopeReading", "TierReading", "explain"]

MOST_JOBS_EXPLAINED: Final = 20
MOST_CHANGES_EXPLAINED: Final = 6


class TierReading(Struct, kw_only=True, frozen=True):
    """One tier of one detector.

    Attributes
    ----------
    evidence, threshold
        In requests per false alarm; the tier fires at ``evidence >= threshold``.
    reached_ratio
        log(evidence) / log(threshold), 0 to 1.
    bad_requests_to_fire
        How many 400s in a row would make it fire; 0 where it has.
    """

    tier: str
    evidence: float
    threshold: float
    reached_ratio: float
    bad_requests_to_fire: int


class ScopeReading(Struct, kw_only=True, frozen=True):
    """One detector and the scope that it watches.

    Attributes
    ----------
    p0
        The null ratio: normally at most this part of requests ends in a 400.
    clean_requests, clean_bad_requests
        The history that p0 was learned from.
    good_since_last
        Logical requests since the last 400.
    state, until
        The state of the scope on `control`, and its `expires_at`; None where no command was issued.
    changes
        How the request that opened the quarantine differs from good ones.
    """

    scope_id: str
    p0: float
    clean_requests: int
    clean_bad_requests: int
    good_since_last: int
    tiers: tuple[TierReading, ...]
    state: str | None = None
    until: Milliseconds | None = None
    reason: str | None = None
    changes: tuple[RequestChange, ...] = ()


class LastReading(Struct, kw_only=True, frozen=True):
    """What the last 400 of a target led to.

    Attributes
    ----------
    at_ms
        When the worker read it.
    fired
        Whether a command was issued, the one named by `command_id`.
    """

    at_ms: Milliseconds
    event_id: str
    scope_id: str
    fired: bool
    why: str
    command_id: str | None = None


class Explanation(Struct, kw_only=True, frozen=True):
    """All that decides on one target; `lines` is for people.

    Attributes
    ----------
    causes
        The causes that do not lead to what the policy says, each with its row in words.
    requested_at, refused_at
        When the quarantine of the whole target was requested and not decided yet; when the fleet refused it. None
        where neither is so.
    """

    target: str
    at_ms: Milliseconds
    pattern: str
    rule_line: int
    policy: str
    mode: str
    job_tier: str
    reading: ScopeReading
    jobs: tuple[ScopeReading, ...]
    jobs_not_shown: int
    suspect_jobs: tuple[str, ...]
    suspect_signatures: tuple[str, ...]
    is_wide: bool
    last: LastReading | None
    requested_at: Milliseconds | None = None
    refused_at: Milliseconds | None = None
    causes: dict[str, str] = {}

    def lines(self) -> list[str]:
        """The explanation as lines of text without any markup."""
        where = f"halt400.toml, line {self.rule_line}" if self.rule_line else "the default"
        found = [
            f"{self.target}: policy {self.policy}, mode {self.mode} (pattern {self.pattern}, {where})",
            *(f"  a 400 of cause {cause}: {text}" for cause, text in self.causes.items()),
            *_reading_lines(self.reading),
        ]
        if self.suspect_jobs:
            wide = (
                "a break of the target" if self.is_wide else "a poison item until 3 signatures or 2 jobs are involved"
            )
            jobs = plural(len(self.suspect_jobs), "job")
            signatures = plural(len(self.suspect_signatures), "signature")
            found.append(f"  the evidence comes from {jobs} and {signatures}: {wide}")
        if self.requested_at is not None:
            found.append(f"  its quarantine was requested at {_time(self.requested_at)}; the fleet has not decided yet")
        elif self.refused_at is not None:
            refused = f"  its quarantine was refused at {_time(self.refused_at)}"
            found.append(f"{refused}: too many targets fail at once, see the finding fleet_fault")
        for job in self.jobs:
            found.extend(_reading_lines(job))
        if self.jobs_not_shown:
            found.append(f"and {self.jobs_not_shown} more jobs with less evidence")
        if self.last is None:
            found.append("No 400 of this target was seen.")
        else:
            led = f"issued {self.last.command_id}" if self.last.fired else "issued no command"
            found.append(f"The last 400 ({self.last.event_id}, read {_time(self.last.at_ms)}) {led}: {self.last.why}")
        return found


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _reading_lines(reading: ScopeReading) -> list[str]:
    state = "no command" if reading.state is None else f"{reading.state} until {_time(reading.until or 0)}"
    found = [
        f"{reading.scope_id}: {state}" + (f" ({reading.reason})" if reading.reason else ""),
        f"  normal is at most {reading.p0:.3%} 400s, from {reading.clean_requests:,} clean requests with "
        f"{reading.clean_bad_requests:,}; {reading.good_since_last:,} good requests since the last 400",
    ]
    found.extend(
        f"  changed since the last good requests: {one.what}: {one.here}; usual: {one.usual}"
        for one in reading.changes[:MOST_CHANGES_EXPLAINED]
    )
    for tier in reading.tiers:
        fires = (
            "has fired"
            if tier.bad_requests_to_fire == 0
            else f"fires after {plural(tier.bad_requests_to_fire, 'more 400')} in a row"
        )
        found.append(f"  {tier.tier}: evidence {tier.evidence:.3g} of {tier.threshold:.3g}, {fires}")
    return found


def _read(scope_id: str, mixture: Mixture, quarantine: QuarantineState | None, policies: Policies) -> ScopeReading:
    evidence = mixture.evidence()
    command = quarantine.command if quarantine is not None else None
    return ScopeReading(
        scope_id=scope_id,
        p0=mixture.p0,
        clean_requests=mixture.trials,
        clean_bad_requests=mixture.bad,
        good_since_last=mixture.gap,
        tiers=tuple(
            TierReading(
                tier=tier,
                evidence=evidence,
                threshold=threshold,
                reached_ratio=min(1.0, log(max(evidence, 1.0)) / log(threshold)),
                bad_requests_to_fire=mixture.bad_requests_until(threshold),
            )
            for tier, threshold in (("ticket", policies.tiers.ticket), ("page", policies.tiers.page))
        ),
        state=command.state if command is not None else None,
        until=command.expires_at if command is not None else None,
        reason=command.reason if command is not None else None,
        changes=tuple(command.diagnosis.changes) if command is not None and command.diagnosis is not None else (),
    )


def explain(state: TargetState, policies: Policies, now_ms: int) -> Explanation:
    """Explain a target at `now_ms`; the state is not changed.

    At most 20 jobs are listed: those that are halted first, then by evidence.
    """
    rule = policies.rule_for(state.name)
    scopes = state.shadow_scopes if rule.mode == "shadow" else state.scopes

    def weight(job_id: str) -> tuple[bool, float, str]:
        quarantine = scopes.get(f"job/{state.name}/{job_id}")
        return quarantine is None or not quarantine.is_halted(now_ms), -state.jobs[job_id].mixture.evidence(), job_id

    ordered = sorted(state.jobs, key=weight)
    shown = [
        _read(scope_id, state.jobs[job_id].mixture, scopes.get(scope_id), policies)
        for job_id in ordered[:MOST_JOBS_EXPLAINED]
        for scope_id in (f"job/{state.name}/{job_id}",)
    ]
    target_id = f"target/{state.name}"
    return Explanation(
        target=state.name,
        at_ms=now_ms,
        pattern=rule.pattern,
        rule_line=rule.line,
        policy=rule.policy,
        mode=rule.mode,
        job_tier=rule.job_tier,
        reading=_read(target_id, state.mixture, scopes.get(target_id), policies),
        jobs=tuple(shown),
        jobs_not_shown=max(0, len(ordered) - MOST_JOBS_EXPLAINED),
        suspect_jobs=tuple(state.alarm.jobs),
        suspect_signatures=tuple(state.alarm.signatures),
        is_wide=state.alarm.is_wide,
        last=LastReading(**asdict(state.last)) if state.last is not None else None,
        requested_at=state.alarm.requested_at if state.pending_grant is not None else None,
        refused_at=state.alarm.refused_at or None,
        causes={cause: row.text() for cause, row in rule.causes.items() if row.action != "policy"},
    )
