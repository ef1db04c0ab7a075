"""The verdict on a 400: detectors, diagnosis and policy joined into a decision. Pure and the same on every replay.

::

    event ─► is it a trial? ─► detectors ─► old news? ─► a probe that failed? ─► policy ─► job or request held
             (requests)        (mixture)                  (lifecycle)                 └───► target: tell, or wish

The target's state changes in place; what must be sent is returned.
"""

from typing import Final

from halt400.records import Diagnosis, Fingerprints, ResponseEvent, Scope
from streams.detection.alarms import judge_alarm
from streams.detection.decision import Circumstances, Decision
from streams.detection.findings import Finding
from streams.detection.origins import Origin
from streams.detection.policy import Policies, Rule
from streams.detection.scopes import find_life, keep
from streams.detection.target_state import LastVerdict, Suspicion, TargetState
from streams.quarantine.ids import finding_id
from streams.quarantine.lifecycle import Life, Opening, open_quarantine, probe_answered

__all__ = ["CERTAIN_RATIO", "is_certain", "judge_bad_request"]

CERTAIN_RATIO: Final = 0.9
"""A diagnosis with at least this confidence and the request to blame needs no statistics."""


def is_certain(diagnosis: Diagnosis | None) -> bool:
    """Whether the request is known to be defective."""
    return diagnosis is not None and diagnosis.blame == "request" and diagnosis.confidence >= CERTAIN_RATIO


def _is_left_over(life: Life | None, time_ms: int) -> bool:
    """Whether a 400 was received before its scope was released: it says nothing about what was released."""
    return life is not None and life.command.state == "released" and time_ms <= life.command.issued_at


class _Case:
    """One 400 on its way to a verdict."""

    def __init__(
        self,
        state: TargetState,
        event: ResponseEvent,
        fingerprints: Fingerprints,
        diagnosis: Diagnosis | None,
        now_ms: int,
        policies: Policies,
        circumstances: Circumstances,
    ) -> None:
        self.state, self.event, self.fingerprints, self.diagnosis = state, event, fingerprints, diagnosis
        self.now_ms, self.policies, self.circumstances = now_ms, policies, circumstances
        self.rule: Rule = policies.rule_for(state.name)
        self.shadow = self.rule.mode == "shadow"
        self.time_ms = event.time if circumstances.time_ms is None else circumstances.time_ms
        self.decision = Decision()
        self.target_scope = Scope(kind="target", target=state.name)
        self.job_scope = Scope(kind="job", target=state.name, job_id=event.job_id)
        self.request_scope = Scope(kind="request", target=state.name, fingerprint=fingerprints.request)
        self.unheard_of: set[str] = set()
        """Scopes with neither a life nor a command on `control`, which is not asked for them again."""
        if not self.shadow:
            state.shadow.clear()

    def life(self, scope: Scope) -> Life | None:
        scope_id = scope.id
        life = (self.state.shadow if self.shadow else self.state.lives).get(scope_id)
        if life is None and not self.shadow and scope_id not in self.unheard_of:
            life = find_life(self.state, scope_id, self.rule.holds(), self.circumstances.latest_command)
            if life is None:
                self.unheard_of.add(scope_id)
        return life

    def opening(self, reason: str) -> Opening:
        around = self.circumstances
        return Opening(
            cause=around.cause,
            reason=reason,
            source=around.source,
            diagnosis=self.diagnosis,
            windows=tuple(around.windows()),
            archive_uri=around.archive_uri,
            signature=self.fingerprints.signature,
        )

    def keep(self, life: Life) -> None:
        keep(self.state, self.decision, life, shadow=self.shadow)

    def conclude(self, scope: Scope, *, fired: bool, why: str) -> Decision:
        lives = self.state.shadow if self.shadow else self.state.lives
        held = self.state.held_by(self.event.job_id, self.fingerprints.request, self.now_ms, shadow=self.shadow)
        self.decision.why = f"(shadow: not issued) {why}" if self.shadow and fired else why
        self.decision.held_by = held.command_id if held is not None and not self.shadow else None
        life = lives.get(scope.id)
        self.state.last = LastVerdict(
            at_ms=self.now_ms,
            event_id=self.event.id,
            scope_id=scope.id,
            fired=fired and not self.shadow,
            why=self.decision.why,
            command_id=life.command.command_id if fired and life is not None and not self.shadow else None,
        )
        return self.decision


def judge_bad_request(
    state: TargetState,
    event: ResponseEvent,
    fingerprints: Fingerprints,
    diagnosis: Diagnosis | None,
    now_ms: int,
    policies: Policies,
    circumstances: Circumstances,
) -> Decision:
    """Take in one 400 of `state`'s target.

    Parameters
    ----------
    state
        The target's state; it is changed.
    event, fingerprints, diagnosis
        The 400 and what was found of it.
    now_ms
        When it is read.

    Returns
    -------
    Decision
        Its `wish`, which `state` remembers, is to be put to the fleet; `answer_wish` takes the answer.
    """
    case = _Case(state, event, fingerprints, diagnosis, now_ms, policies, circumstances)
    sighting = state.memory.sight(
        event.id, event.job_id, fingerprints.request, event.attempt, case.time_ms, policies.retries
    )
    case.decision.sighting = sighting.kind
    if sighting.kind == "repeated_event":
        return case.conclude(case.job_scope, fired=False, why="this event was here before")
    state.job(event.job_id).origin = Origin.of(event)
    held = state.held_by(event.job_id, fingerprints.request, now_ms)
    is_old = now_ms - case.time_ms > case.rule.old_news_s * 1000
    if sighting.kind == "trial":
        _count(case)
    elif held is not None and not is_old and case.time_ms > held.issued_at + policies.retries.grace_s * 1000:
        _tell_retry_loop(case, sighting.sendings)
    if is_old:
        age_s = (now_ms - case.time_ms) // 1000
        return case.conclude(case.job_scope, fired=False, why=f"old news: {age_s} s old when read, opens nothing")
    if failed := _failed_probes(case):
        return case.conclude(failed, fired=True, why="the scope was probing, and this is a 400: the hold doubles")
    if sighting.kind == "trial" and not _is_left_over(case.life(case.target_scope), case.time_ms):
        judge_alarm(
            state=state,
            decision=case.decision,
            policies=policies,
            target_life=case.life(case.target_scope),
            opening=case.opening,
            cause=circumstances.cause,
            now_ms=now_ms,
            shadow=case.shadow,
        )
        if case.shadow and case.decision.wish is not None:
            wish, case.decision.wish = case.decision.wish, None
            case.keep(open_quarantine(None, case.target_scope, wish.opening, now_ms, case.rule.holds()))
        state.wish = case.decision.wish or state.wish
    return _apply_policy(case)


def _count(case: _Case) -> None:
    """The detectors take in a trial, that of the target and that of the job."""
    state, floor = case.state, case.rule.least_p0
    target_life, job_life = case.life(case.target_scope), case.life(case.job_scope)
    target_held = target_life is not None and target_life.command.state != "released"
    if not _is_left_over(target_life, case.time_ms):
        state.mixture.bad_request(learn=not target_held, floor=floor)
        if state.mixture.settled:
            state.suspicion = Suspicion()
        state.suspicion.add(case.fingerprints.signature, case.event.job_id)
        if not _is_left_over(job_life, case.time_ms):
            job_held = target_held or (job_life is not None and job_life.command.state != "released")
            state.job(case.event.job_id).mixture.bad_request(learn=not job_held, floor=floor)


def _tell_retry_loop(case: _Case, sendings: int) -> None:
    event, fingerprint = case.event, case.fingerprints.request
    wasted = case.state.memory.waste(event.job_id, fingerprint)
    if wasted & (wasted - 1):
        return
    who = f"worker {event.worker or 'unnamed'} of release {event.release or 'unnamed'}"
    case.decision.findings.append(
        Finding(
            finding_id=finding_id("retry_loop", f"{case.job_scope.id}/{fingerprint}", case.circumstances.cause),
            kind="retry_loop",
            severity="ticket",
            at_ms=case.now_ms,
            summary=f"{who} ignores the gate: {wasted} of {sendings} sendings of one request came after its retry was "
            f"told to abort (job {event.job_id} on {event.target}).",
            target=event.target,
            job_id=event.job_id,
            worker=event.worker,
            release=event.release,
            fingerprint=fingerprint,
            signature=case.fingerprints.signature,
            wasted_requests=wasted,
        )
    )


def _failed_probes(case: _Case) -> Scope | None:
    """A 400 of a scope that is probing answers the probe, whoever sent it."""
    failed = None
    for scope in (case.request_scope, case.job_scope, case.target_scope):
        life = case.life(scope)
        if life is None or life.command.state != "probing" or case.time_ms < life.command.issued_at:
            continue
        answered = probe_answered(life, case.circumstances.cause, case.now_ms, case.rule.holds(), status=400)
        if answered is not None:
            case.keep(answered)
            failed = scope
    return failed


def _apply_policy(case: _Case) -> Decision:
    state, rule, event, now_ms = case.state, case.rule, case.event, case.now_ms
    held = state.held_by(event.job_id, None, now_ms, shadow=case.shadow)
    job_life = case.life(case.job_scope)
    # Under strict each job with a 400 is held by itself, also while its target is: a target let go frees no broken job.
    is_held_itself = job_life is not None and job_life.holds(now_ms)
    if held is not None and (is_held_itself or rule.policy != "strict"):
        return case.conclude(held.scope, fired=False, why=f"{held.scope.id} is held already, by {held.command_id}")
    for scope in (case.target_scope, case.job_scope):
        if _is_left_over(case.life(scope), case.time_ms):
            return case.conclude(scope, fired=False, why=f"received before {scope.id} was released")
    reason = _job_reason(case)
    if reason is not None:
        life = open_quarantine(case.life(case.job_scope), case.job_scope, case.opening(reason), now_ms, rule.holds())
        case.keep(life)
        return case.conclude(case.job_scope, fired=True, why=reason)
    why = "policy evidence: the diagnosis is not certain and the job's detector is below its tier; the retry is aborted"
    request_life = case.life(case.request_scope)
    if request_life is not None and request_life.holds(now_ms):
        return case.conclude(case.request_scope, fired=False, why=f"{why} already")
    case.keep(open_quarantine(request_life, case.request_scope, case.opening(why), now_ms, rule.holds()))
    return case.conclude(case.request_scope, fired=True, why=why)


def _job_reason(case: _Case) -> str | None:
    """Why the job is to be quarantined, None where it is not."""
    rule, event, diagnosis = case.rule, case.event, case.diagnosis
    what = f"400 Bad Request to {event.request.method} of job {event.job_id} on {event.target}"
    if diagnosis is not None:
        what += f": {diagnosis.cause}"
    if rule.policy == "strict":
        return f"{what} (policy strict: any 400)"
    if is_certain(diagnosis):
        return f"{what} (policy evidence: the request is certainly defective)"
    threshold = case.policies.tiers.page if rule.job_tier == "page" else case.policies.tiers.ticket
    evidence = case.state.job(event.job_id).mixture.evidence()
    if evidence >= threshold:
        return f"{what} (policy evidence: the job's detector reached the tier {rule.job_tier})"
    return None
