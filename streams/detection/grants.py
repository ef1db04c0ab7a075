"""The fleet's decision on a requested grant, applied to the target's state: its quarantine is opened, or not. Pure."""

from collections.abc import Callable

from halt400.records import Command, Scope
from streams.detection.decision import Decision, no_command
from streams.detection.policy import Policies
from streams.detection.scopes import find_quarantine, record_transition
from streams.detection.target_state import LastDecision, TargetState
from streams.quarantine.lifecycle import open_quarantine

__all__ = ["apply_grant_decision"]


def apply_grant_decision(
    state: TargetState,
    grant_id: str,
    now_ms: int,
    policies: Policies,
    *,
    granted: bool,
    latest_command: Callable[[str], Command | None] = no_command,
) -> Decision:
    """Quarantine `state`'s target where the grant that it waits for was given.

    A grant that the state does not wait for changes nothing. One is void where the target was quarantined or released
    since the request, or its mode became ``shadow``.

    Parameters
    ----------
    latest_command
        ``latest_command(scope_id)``: the command on `control` of a scope that the state does not know.
    """
    decision, pending = Decision(), state.pending_grant
    if pending is None or pending.grant_id != grant_id:
        return decision
    state.pending_grant = None
    event_id = state.last.event_id if state.last is not None else ""
    scope, rule = Scope(kind="target", target=pending.target), policies.rule_for(pending.target)
    current = find_quarantine(state, scope.id, rule.durations(), latest_command)
    if (current.command.sequence if current is not None else 0) != pending.sequence:
        decision.why = f"{scope.id} had another command since its quarantine was requested"
    elif rule.mode == "shadow":
        decision.why = f"{scope.id} is in mode shadow since its quarantine was requested"
    elif not granted:
        decision.why = (
            f"{pending.opening.reason}; the fleet refused, for too many targets fail at once: see fleet_fault"
        )
        state.alarm.refused_at = now_ms
        state.last = LastDecision(now_ms, event_id, scope.id, False, decision.why)
    else:
        opened = open_quarantine(current, scope, pending.opening, now_ms, rule.durations())
        record_transition(state, decision, opened, shadow=False)
        decision.why = pending.opening.reason
        state.alarm.refused_at = 0
        state.last = LastDecision(now_ms, event_id, scope.id, True, decision.why, decision.commands[0].command_id)
    return decision
