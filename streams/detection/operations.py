"""What people, probing gates and time ask of a target's scopes; ordered with its events."""

from halt400.records import Operation
from streams.detection.decision import Circumstances, Decision
from streams.detection.policy import Policies
from streams.detection.scopes import find_life, keep
from streams.detection.target_state import TargetState
from streams.quarantine import lifecycle
from streams.quarantine.lifecycle import Holds, Life, Opening

__all__ = ["judge_operation", "judge_time"]


def judge_operation(
    state: TargetState, operation: Operation, now_ms: int, policies: Policies, circumstances: Circumstances
) -> Decision:
    """Carry out one operation on a scope of `state`'s target; a repeated one does nothing.

    ``probe_result`` without a `probe_status` claims the probe; with one it answers it, from the holder of the lease
    only. `Decision.why` says what was not done.
    """
    decision = Decision()
    if not state.remember_operation(operation.operation_id):
        decision.why = f"operation {operation.operation_id} was carried out before"
        return decision
    holds = policies.rule_for(state.name).holds()
    life = find_life(state, operation.scope.id, holds, circumstances.latest_command)
    if operation.kind == "quarantine":
        opening = Opening(
            cause=operation.operation_id,
            reason=operation.reason,
            issued_by=operation.actor,
            source=circumstances.source,
            windows=tuple(circumstances.windows()),
        )
        following: Life | None = lifecycle.open_quarantine(
            life, operation.scope, opening, now_ms, holds, hold_s=operation.hold_s
        )
    elif life is None:
        following = None
    elif operation.kind == "release":
        following = lifecycle.release(
            life, operation.operation_id, now_ms, actor=operation.actor, reason=operation.reason
        )
    elif operation.kind == "extend":
        following = lifecycle.extend(
            life,
            operation.operation_id,
            now_ms,
            holds,
            hold_s=operation.hold_s,
            actor=operation.actor,
            reason=operation.reason,
        )
    else:
        following = _probe(life, operation, now_ms, holds)
    if following is None:
        standing = life.command.state if life is not None else "not held"
        decision.why = f"{operation.kind} of {operation.scope.id}: nothing to do, it is {standing}"
        return decision
    decision.why = f"{operation.kind} of {operation.scope.id} by {operation.actor}: {operation.reason}"
    keep(state, decision, following, shadow=False)
    return decision


def _probe(life: Life, operation: Operation, now_ms: int, holds: Holds) -> Life | None:
    if operation.probe_status is None:
        if operation.actor == lifecycle.ISSUER:
            return None
        return lifecycle.claim_probe(life, operation.operation_id, now_ms, holds, actor=operation.actor)
    if operation.probe_id != life.command.command_id or life.lease_ends is None:
        return None
    return lifecycle.probe_answered(
        life, operation.operation_id, now_ms, holds, status=operation.probe_status, actor=operation.actor
    )


def judge_time(state: TargetState, now_ms: int, policies: Policies) -> Decision:
    """Do what is due by `now_ms` in every scope of the target; `TargetState.next_due` says when that is."""
    decision = Decision()
    holds = policies.rule_for(state.name).holds()
    for life in list(state.lives.values()):
        following = lifecycle.tick(life, now_ms, holds)
        if following is not None:
            keep(state, decision, following, shadow=False)
    for life in list(state.shadow.values()):
        # Nobody can probe what was never halted: a shadow ends with its hold.
        if life.command.state == "quarantined" and now_ms >= life.hold_ends:
            keep(state, decision, lifecycle.expire(life, now_ms, "the hold is over"), shadow=True)
    return decision
