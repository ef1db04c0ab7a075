"""The target's alarm: which tier its evidence has reached, and whether it concerns the target or one poison item."""

from collections.abc import Callable
from typing import Final, Literal

from halt400.plural import plural
from streams.detection.decision import Decision, PendingGrant
from streams.detection.findings import Finding
from streams.detection.policy import Policies
from streams.detection.target_state import TargetState
from streams.quarantine.ids import command_id, finding_id
from streams.quarantine.lifecycle import Opening, QuarantineState

__all__ = ["check_alarm"]

REQUEST_INTERVAL_MS: Final = 60_000
"""A refused grant is requested again after this, while the evidence stays."""


def check_alarm(
    *,
    state: TargetState,
    decision: Decision,
    policies: Policies,
    target_quarantine: QuarantineState | None,
    opening: Callable[[str], Opening],
    cause: str,
    now_ms: int,
    shadow: bool,
) -> None:
    """Add a finding for each tier that is newly reached, and request a grant where it is ``page`` over two jobs.

    The alarm needs three signatures or two jobs; with fewer it is a poison item, reported once and only as a ticket.
    """
    evidence = state.mixture.evidence()
    tiers, alarm = policies.tiers, state.alarm
    if evidence < tiers.ticket:
        return
    tier: Literal["ticket", "page"] = "page" if evidence >= tiers.page else "ticket"
    over = f"{plural(len(alarm.jobs), 'job')}, {plural(len(alarm.signatures), 'signature')}"
    mark = tier if alarm.is_wide else "poison_item"
    if mark not in alarm.reported and not (mark == "ticket" and "page" in alarm.reported):
        alarm.reported.append(mark)
        decision.findings.append(_finding(state, policies, tier, evidence, over, cause, now_ms, shadow=shadow))
    is_halted = target_quarantine is not None and target_quarantine.is_halted(now_ms)
    is_due = now_ms - alarm.requested_at >= REQUEST_INTERVAL_MS
    if tier == "page" and len(alarm.jobs) >= 2 and not is_halted and is_due:
        alarm.requested_at = now_ms
        reason = f"{state.name} pages over {over}; the API changed, or what all jobs share"
        decision.pending_grant = PendingGrant(
            grant_id=command_id(f"target/{state.name}", "quarantined", cause),
            target=state.name,
            opening=opening(reason),
            jobs=tuple(alarm.jobs),
            sequence=target_quarantine.command.sequence if target_quarantine is not None else 0,
        )


def _finding(
    state: TargetState,
    policies: Policies,
    tier: Literal["ticket", "page"],
    evidence: float,
    over: str,
    cause: str,
    now_ms: int,
    *,
    shadow: bool,
) -> Finding:
    threshold = policies.tiers.page if tier == "page" else policies.tiers.ticket
    kind: Literal["target_alarm", "poison_item"] = "target_alarm" if state.alarm.is_wide else "poison_item"
    what = (
        f"{state.name} answers 400 far more often than {state.mixture.p0:.2%} of requests, over {over}"
        if kind == "target_alarm"
        else f"One poison item on {state.name}: the 400s come from one job and fewer than three kinds of request"
    )
    return Finding(
        finding_id=finding_id(kind, f"target/{state.name}", f"{cause}/{tier}"),
        kind=kind,
        severity="page" if kind == "target_alarm" and tier == "page" and not shadow else "ticket",
        at_ms=now_ms,
        summary=f"{'(shadow) ' if shadow else ''}{what}; evidence {evidence:.3g}, tier {tier} {threshold:.3g}.",
        target=state.name,
        jobs=tuple(state.alarm.jobs),
        signatures=tuple(state.alarm.signatures),
        evidence=evidence,
        threshold=threshold,
    )
