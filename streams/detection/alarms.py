"""The target's alarm: which tier its evidence has reached, whether it concerns the target or one poison item."""

from collections.abc import Callable
from typing import Final, Literal

from streams.detection.decision import Decision, TargetWish
from streams.detection.findings import Finding
from streams.detection.policy import Policies
from streams.detection.target_state import TargetState
from streams.quarantine.ids import command_id, finding_id
from streams.quarantine.lifecycle import Life, Opening

__all__ = ["judge_alarm"]

WISH_AGAIN_MS: Final = 60_000


def judge_alarm(
    *,
    state: TargetState,
    decision: Decision,
    policies: Policies,
    target_life: Life | None,
    opening: Callable[[str], Opening],
    cause: str,
    now_ms: int,
    shadow: bool,
) -> None:
    """Tell each tier once while the evidence stands, and wish for the target's quarantine when it pages over two jobs.

    The alarm needs three signatures or two jobs; with fewer it is a poison item, told once and only as a ticket.
    """
    evidence = state.mixture.evidence()
    tiers, suspicion = policies.tiers, state.suspicion
    tier: Literal["ticket", "page"] | None = None
    if evidence >= tiers.ticket:
        tier = "page" if evidence >= tiers.page else "ticket"
    if tier is None:
        return
    threshold = tiers.page if tier == "page" else tiers.ticket
    kind: Literal["target_alarm", "poison_item"] = "target_alarm" if suspicion.is_wide else "poison_item"
    mark = tier if kind == "target_alarm" else kind
    over = f"{len(suspicion.jobs)} job(s), {len(suspicion.signatures)} signature(s)"
    if mark not in suspicion.reported and not (mark == "ticket" and "page" in suspicion.reported):
        suspicion.reported.append(mark)
        what = (
            f"{state.name} answers 400 far more often than {state.mixture.p0:.2%} of requests, over {over}"
            if kind == "target_alarm"
            else f"One poison item on {state.name}: the 400s come from one job and fewer than three kinds of request"
        )
        decision.findings.append(
            Finding(
                finding_id=finding_id(kind, f"target/{state.name}", f"{cause}/{tier}"),
                kind=kind,
                severity="page" if mark == "page" and not shadow else "ticket",
                at_ms=now_ms,
                summary=f"{'(shadow) ' if shadow else ''}{what}; evidence {evidence:.3g}, tier {tier} {threshold:.3g}.",
                target=state.name,
                jobs=tuple(suspicion.jobs),
                signatures=tuple(suspicion.signatures),
                evidence=evidence,
                threshold=threshold,
            )
        )
    held = target_life is not None and target_life.holds(now_ms)
    if tier == "page" and len(suspicion.jobs) >= 2 and not held and now_ms - suspicion.wished_at >= WISH_AGAIN_MS:
        suspicion.wished_at = now_ms
        reason = f"{state.name} pages over {over}: the API changed, or what all jobs share"
        decision.wish = TargetWish(
            wish_id=command_id(f"target/{state.name}", "quarantined", cause),
            target=state.name,
            opening=opening(reason),
            jobs=tuple(suspicion.jobs),
            sequence=target_life.command.sequence if target_life is not None else 0,
        )
