"""Operations of people and gates, and the passing of time, applied to a target's scopes."""

from halt400.records import Operation
from streams.detection.decision import Decision, RecordContext
from streams.detection.policy import Policies
from streams.detection.scopes import find_quarantine, record_transition
from streams.detection.target_state import TargetState
from streams.quarantine import lifecycle
from streams.quarantine.lifecycle import Durations, Opening, QuarantineState

__all__ = ["apply_operation", "apply_time"]


def apply_operation(
    state: TargetState, operation: Operation, now_ms: int, policies: Policies, context: RecordContext
) -> Decision:
    """Apply one operation to a scope of `state`'s target; a repeated one does nothing.

    ``probe_result`` without a `probe_status` claims the probe; with one it reports the probe's result, which counts
    from the holder of the lease only. `Decision.why` says what was not done.
    """
    decision = Decision()
    if not state.remember_operation(operation.operation_id):
        decision.why = f"operation {operation.operation_id} was applied before"
        return decision
    durations = policies.rule_for(state.name).durations()
    current = find_quarantine(state, operation.scope.id, durations, context.latest_command)
    if current is not None and context.is_included_in(current.command):
        decision.why = f"operation {operation.operation_id} is included in {current.command.command_id}"
        return decision
    following = _transition(current, operation, now_ms, durations, context)
    if following is None:
        found = current.command.state if current is not None else "not quarantined"
        decision.why = f"{operation.kind} of {operation.scope.id}: nothing to do, it is {found}"
        return decision
    decision.why = f"{operation.kind} of {operation.scope.id} by {operation.actor}: {operation.reason}"
    record_transition(state, decision, following, shadow=False)
    return decision


def _transition(
    current: QuarantineState | None, operation: Operation, now_ms: int, durations: Durations, context: RecordContext
) -> QuarantineState | None:
    cause, actor, reason, hold_s = operation.operation_id, operation.actor, operation.reason, operation.hold_s
    if operation.kind == "quarantine":
        opening = Opening(
            cause=cause, reason=reason, issued_by=actor, source=context.source, windows=tuple(context.windows())
        )
        return lifecycle.open_quarantine(current, operation.scope, opening, now_ms, durations, hold_s=hold_s)
    if current is None:
        return None
    if operation.kind == "release":
        return lifecycle.release(current, cause, now_ms, actor=actor, reason=reason)
    if operation.kind == "extend":
        return lifecycle.extend(current, cause, now_ms, durations, hold_s=hold_s, actor=actor, reason=reason)
    if operation.kind == "probe":
        return lifecycle.probe_now(current, cause, now_ms, durations, actor=actor, reason=reason)
    if operation.probe_status is None:
        if actor == lifecycle.ISSUER:
            return None
        return lifecycle.claim_probe(current, cause, now_ms, durations, actor=actor)
    if operation.probe_id != current.command.command_id or current.lease_ends is None:
        return None
    return lifecycle.probe_answered(current, cause, now_ms, durations, status=operation.probe_status, actor=actor)


def apply_time(state: TargetState, now_ms: int, policies: Policies) -> Decision:
    """Do what is due by `now_ms` in every scope of the target; `TargetState.next_due` says when that is."""
    decision = Decision()
    durations = policies.rule_for(state.name).durations()
    for current in list(state.scopes.values()):
        following = lifecycle.tick(current, now_ms, durations)
        if following is not None:
            record_transition(state, decision, following, shadow=False)
    for current in list(state.shadow_scopes.values()):
        # No gate probes what was never halted: in shadow a quarantine ends with its hold.
        if current.command.state == "quarantined" and now_ms >= current.hold_ends:
            expired = lifecycle.expire(current, now_ms, "the hold is over")
            record_transition(state, decision, expired, shadow=True)
    return decision
