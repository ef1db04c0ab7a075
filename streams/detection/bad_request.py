"""What follows from one 400: detectors, diagnosis and policy joined into a decision. Pure: a replay decides the same.

::

    event ─► trial? ─► detectors ─► old? ─► failed probe? ─► alarm ─► row of its cause ─► policy ─► job or request
             (requests) (mixture)           (lifecycle)      (alarms) (cause_rows)                  quarantined
                                                             │
                                                             └─► finding, request for a grant

A 400 that blames nobody, such as a limit, and one whose cause is to be ignored, is no evidence for the detectors.
The target's state is changed in place; what must be sent is returned.
"""

from typing import Final

from halt400.records import Diagnosis, Fingerprints, ResponseEvent, Scope
from streams.detection.alarms import check_alarm
from streams.detection.cause_rows import CauseRow, row_of
from streams.detection.decision import Decision, RecordContext
from streams.detection.findings import Finding, Severity
from streams.detection.origins import Origin
from streams.detection.policy import Policies, Rule
from streams.detection.scopes import find_quarantine, record_transition
from streams.detection.target_state import AlarmState, LastDecision, TargetState
from streams.quarantine.ids import finding_id
from streams.quarantine.lifecycle import Opening, QuarantineState, open_quarantine, probe_answered

__all__ = ["CERTAIN_RATIO", "apply_bad_request", "is_certain"]

CERTAIN_RATIO: Final = 0.9
"""A diagnosis that blames the request with at least this confidence needs no statistics."""


def is_certain(diagnosis: Diagnosis | None) -> bool:
    """Whether the request is known to be defective."""
    return diagnosis is not None and diagnosis.blame == "request" and diagnosis.confidence >= CERTAIN_RATIO


def _precedes_release(quarantine: QuarantineState | None, time_ms: int) -> bool:
    """Whether a 400 was received before its scope was released: it is no evidence against what was released."""
    return quarantine is not None and quarantine.is_released and time_ms <= quarantine.command.issued_at


class _Case:
    """One 400, all that is known of it, and the decision as far as it is made."""

    def __init__(
        self,
        state: TargetState,
        event: ResponseEvent,
        fingerprints: Fingerprints,
        diagnosis: Diagnosis | None,
        now_ms: int,
        policies: Policies,
        context: RecordContext,
    ) -> None:
        self.state, self.event, self.fingerprints, self.diagnosis = state, event, fingerprints, diagnosis
        self.now_ms, self.policies, self.context = now_ms, policies, context
        self.rule: Rule = policies.rule_for(state.name)
        self.row: CauseRow = row_of(self.rule.causes, diagnosis)
        self.is_shadow = self.rule.mode == "shadow"
        self.time_ms = event.time if context.time_ms is None else context.time_ms
        self.decision = Decision()
        self.target_scope = Scope(kind="target", target=state.name)
        self.job_scope = Scope(kind="job", target=state.name, job_id=event.job_id)
        self.request_scope = Scope(kind="request", target=state.name, fingerprint=fingerprints.request)
        self._unknown: set[str] = set()
        """Scopes without a command on `control`: each is looked up there once."""
        if not self.is_shadow:
            state.shadow_scopes.clear()

    def quarantine_of(self, scope: Scope) -> QuarantineState | None:
        scope_id = scope.id
        if self.is_shadow:
            return self.state.shadow_scopes.get(scope_id)
        found = self.state.scopes.get(scope_id)
        if found is None and scope_id not in self._unknown:
            found = find_quarantine(self.state, scope_id, self.rule.durations(), self.context.latest_command)
            if found is None:
                self._unknown.add(scope_id)
        return found

    @property
    def is_evidence(self) -> bool:
        """Whether it speaks against the target or the job: not where time alone mends it, or nobody wants to know."""
        return self.row.action != "ignore" and (self.diagnosis is None or self.diagnosis.blame != "nobody")

    @property
    def by_row(self) -> str:
        """The cause, and the row of the policy that applies to it."""
        return f"{self.diagnosis.cause if self.diagnosis is not None else 'unknown'}: {self.row.text()}"

    def opening(self, reason: str, severity: Severity | None = None) -> Opening:
        context = self.context
        return Opening(
            cause=context.cause,
            reason=reason,
            source=context.source,
            diagnosis=self.diagnosis,
            windows=tuple(context.windows()),
            archive_uri=context.archive_uri,
            signature=self.fingerprints.signature,
            severity=severity,
        )

    def record(self, quarantine: QuarantineState) -> None:
        record_transition(self.state, self.decision, quarantine, shadow=self.is_shadow)

    def conclude(self, scope: Scope, *, fired: bool, why: str) -> Decision:
        state, decision, is_shadow = self.state, self.decision, self.is_shadow
        halting = state.halting_command(self.event.job_id, self.fingerprints.request, self.now_ms, shadow=is_shadow)
        decision.why = f"(shadow: not issued) {why}" if is_shadow and fired else why
        decision.halted_by = halting.command_id if halting is not None and not is_shadow else None
        quarantine = state.scopes.get(scope.id)
        issued = fired and not is_shadow
        state.last = LastDecision(
            at_ms=self.now_ms,
            event_id=self.event.id,
            scope_id=scope.id,
            fired=issued,
            why=decision.why,
            command_id=quarantine.command.command_id if issued and quarantine is not None else None,
        )
        return decision


def apply_bad_request(
    state: TargetState,
    event: ResponseEvent,
    fingerprints: Fingerprints,
    diagnosis: Diagnosis | None,
    now_ms: int,
    policies: Policies,
    context: RecordContext,
) -> Decision:
    """Apply one 400 of `state`'s target.

    Parameters
    ----------
    state
        The target's state; it is changed.
    event, fingerprints, diagnosis
        The 400 and what was found in it.
    now_ms
        When it is read.

    Returns
    -------
    Decision
        Its `pending_grant`, which `state` remembers, is to be requested from the fleet; `apply_grant_decision` applies
        what the fleet decides.
    """
    case = _Case(state, event, fingerprints, diagnosis, now_ms, policies, context)
    classified = state.memory.classify(
        event.id, event.job_id, fingerprints.request, event.attempt, case.time_ms, policies.retries
    )
    case.decision.kind = classified.kind
    if classified.kind == "repeated_event":
        return case.conclude(case.job_scope, fired=False, why="an event with this id was applied before")
    state.job(event.job_id).origin = Origin.of(event)
    halting = state.halting_command(event.job_id, fingerprints.request, now_ms)
    is_old = now_ms - case.time_ms > case.rule.old_news_s * 1000
    if classified.kind == "trial" and case.is_evidence:
        _count(case)
    elif halting is not None and not is_old and case.time_ms > halting.issued_at + policies.retries.grace_s * 1000:
        _report_retry_loop(case, classified.attempts)
    if is_old:
        age_s = (now_ms - case.time_ms) // 1000
        return case.conclude(case.job_scope, fired=False, why=f"old news: {age_s} s old when read, opens nothing")
    if failed := _failed_probes(case):
        return case.conclude(failed, fired=True, why="the scope was probing, and this is a 400: the hold doubles")
    if (
        classified.kind == "trial"
        and case.is_evidence
        and not _precedes_release(case.quarantine_of(case.target_scope), case.time_ms)
    ):
        _check_alarm(case)
    return _apply_policy(case)


def _count(case: _Case) -> None:
    """Give a trial to the detectors of the target and of the job."""
    state, floor = case.state, case.rule.least_p0
    target_quarantine, job_quarantine = case.quarantine_of(case.target_scope), case.quarantine_of(case.job_scope)
    if _precedes_release(target_quarantine, case.time_ms):
        return
    target_quarantined = target_quarantine is not None and not target_quarantine.is_released
    state.mixture.bad_request(learn=not target_quarantined, floor=floor)
    if state.mixture.settled:
        state.alarm = AlarmState()
    state.alarm.add(case.fingerprints.signature, case.event.job_id)
    if not _precedes_release(job_quarantine, case.time_ms):
        job_quarantined = target_quarantined or (job_quarantine is not None and not job_quarantine.is_released)
        state.job(case.event.job_id).mixture.bad_request(learn=not job_quarantined, floor=floor)


def _report_retry_loop(case: _Case, attempts: int) -> None:
    """Add a finding for the 1st, 2nd, 4th, 8th... attempt after the retry was aborted."""
    event, fingerprint = case.event, case.fingerprints.request
    wasted = case.state.memory.count_wasted(event.job_id, fingerprint)
    if wasted & (wasted - 1):
        return
    who = f"worker {event.worker or 'unnamed'} of release {event.release or 'unnamed'}"
    case.decision.findings.append(
        Finding(
            finding_id=finding_id("retry_loop", f"{case.job_scope.id}/{fingerprint}", case.context.cause),
            kind="retry_loop",
            severity="ticket",
            at_ms=case.now_ms,
            summary=f"{who} ignores the gate: {wasted} of {attempts} attempts of one request came after its retry was "
            f"aborted (job {event.job_id} on {event.target}).",
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
    """Quarantine again each scope of the 400 that is probing: the 400 answers the probe, whoever sent it."""
    failed = None
    for scope in (case.request_scope, case.job_scope, case.target_scope):
        quarantine = case.quarantine_of(scope)
        if quarantine is None or quarantine.command.state != "probing":
            continue
        if case.time_ms < quarantine.command.issued_at or case.context.is_included_in(quarantine.command):
            continue
        answered = probe_answered(
            quarantine,
            case.context.cause,
            case.now_ms,
            case.rule.durations(),
            status=400,
            undecided=_undecided(case),
        )
        if answered is not None:
            case.record(answered)
            failed = scope
    return failed


def _undecided(case: _Case) -> tuple[str, int | None] | None:
    """The cause and the hold, where the row says that this 400 does not show whether the request was well formed."""
    row, diagnosis = case.row, case.diagnosis
    if diagnosis is None or row.action == "policy" or (row.action == "hold" and not row.stated):
        return None
    return diagnosis.cause, row.seconds(diagnosis, case.rule.hold_cap_s)


def _check_alarm(case: _Case) -> None:
    state, decision = case.state, case.decision
    check_alarm(
        state=state,
        decision=decision,
        policies=case.policies,
        target_quarantine=case.quarantine_of(case.target_scope),
        opening=case.opening,
        cause=case.context.cause,
        now_ms=case.now_ms,
        shadow=case.is_shadow,
    )
    if case.is_shadow and decision.pending_grant is not None:
        opening, decision.pending_grant = decision.pending_grant.opening, None
        case.record(open_quarantine(None, case.target_scope, opening, case.now_ms, case.rule.durations()))
    state.pending_grant = decision.pending_grant or state.pending_grant


def _apply_policy(case: _Case) -> Decision:
    if case.row.action == "ignore":
        return case.conclude(case.job_scope, fired=False, why=f"the row of its cause applies, {case.by_row}")
    state, rule, event, now_ms = case.state, case.rule, case.event, case.now_ms
    halting = state.halting_command(event.job_id, None, now_ms, shadow=case.is_shadow)
    job_quarantine = case.quarantine_of(case.job_scope)
    # Under strict each job with a 400 has its own quarantine, also while its target has one: the target's release must
    # not release a broken job.
    has_own = job_quarantine is not None and job_quarantine.is_halted(now_ms)
    wants_job = rule.policy == "strict" if case.row.action == "policy" else case.row.action == "hold"
    if halting is not None and (has_own or not wants_job):
        why = f"{halting.scope.id} is quarantined already, by {halting.command_id}"
        return case.conclude(halting.scope, fired=False, why=why)
    for scope in (case.target_scope, case.job_scope):
        quarantine = case.quarantine_of(scope)
        if _precedes_release(quarantine, case.time_ms):
            return case.conclude(scope, fired=False, why=f"received before {scope.id} was released")
    if job_quarantine is not None and case.context.is_included_in(job_quarantine.command):
        why = f"included in {job_quarantine.command.command_id}"
        return case.conclude(case.job_scope, fired=False, why=why)
    reason = _job_reason(case)
    if reason is not None:
        return _hold_job(case, reason)
    if case.row.action in ("page", "ticket"):
        severity: Severity = "page" if case.row.action == "page" else "ticket"
        return _abort_retry(case, f"the row of its cause applies, {case.by_row}; the retry is aborted", severity)
    why = "policy evidence: the diagnosis is not certain and the job's detector is below its tier; the retry is aborted"
    return _abort_retry(case, why, None)


def _hold_job(case: _Case, reason: str) -> Decision:
    rule, now_ms, current = case.rule, case.now_ms, case.quarantine_of(case.job_scope)
    hold_s = case.row.seconds(case.diagnosis, rule.hold_cap_s) if case.row.action == "hold" else None
    severity: Severity | None = None
    if case.row.stated and not (current is not None and now_ms - current.command.issued_at < rule.hold_s * 1000):
        severity = "ticket"  # the first limit of a job pages nobody, whatever the routes say
    opening = case.opening(reason, severity)
    case.record(open_quarantine(current, case.job_scope, opening, now_ms, rule.durations(), hold_s=hold_s))
    return case.conclude(case.job_scope, fired=True, why=reason)


def _abort_retry(case: _Case, why: str, severity: Severity | None) -> Decision:
    current, now_ms = case.quarantine_of(case.request_scope), case.now_ms
    if current is not None and current.is_halted(now_ms):
        return case.conclude(case.request_scope, fired=False, why=f"{why} already")
    opening = case.opening(why, severity)
    case.record(open_quarantine(current, case.request_scope, opening, now_ms, case.rule.durations()))
    return case.conclude(case.request_scope, fired=True, why=why)


def _job_reason(case: _Case) -> str | None:
    """Why the job is to be quarantined, None where it is not."""
    rule, event, diagnosis = case.rule, case.event, case.diagnosis
    what = f"400 Bad Request to {event.request.method} of job {event.job_id} on {event.target}"
    if diagnosis is not None:
        what += f": {diagnosis.cause}"
    if case.row.action == "hold":
        seconds = case.row.seconds(diagnosis, rule.hold_cap_s)
        held = f", {seconds} s" if seconds is not None else ""
        return f"{what} (the row of its cause applies: {case.row.text()}{held})"
    if case.row.action != "policy":
        return None
    if rule.policy == "strict":
        return f"{what} (policy strict: any 400)"
    if is_certain(diagnosis):
        return f"{what} (policy evidence: the request is certainly defective)"
    threshold = case.policies.tiers.page if rule.job_tier == "page" else case.policies.tiers.ticket
    evidence = case.state.job(event.job_id).mixture.evidence()
    if evidence >= threshold:
        return f"{what} (policy evidence: the job's detector reached the tier {rule.job_tier})"
    return None
