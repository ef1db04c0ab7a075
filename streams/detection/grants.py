"""What the fleet answered to the wish for a target's quarantine, carried out on the target's state. Pure."""

from collections.abc import Callable

from halt400.records import Command, Scope
from streams.detection.decision import Decision, no_command
from streams.detection.policy import Policies
from streams.detection.scopes import find_life, keep
from streams.detection.target_state import LastVerdict, TargetState
from streams.quarantine.lifecycle import open_quarantine

__all__ = ["answer_wish"]


def answer_wish(
    state: TargetState,
    wish_id: str,
    now_ms: int,
    policies: Policies,
    *,
    granted: bool,
    latest_command: Callable[[str], Command | None] = no_command,
) -> Decision:
    """Take in the fleet's answer to a wish of `state`'s target, and quarantine the target where it was granted.

    A wish that is not open any more changes nothing, and one that was overtaken is void: the target was quarantined or
    released since, or its policy became ``shadow``.

    Parameters
    ----------
    latest_command
        ``latest_command(scope_id)``: what `control` says of a scope that the state does not know.
    """
    decision, wish = Decision(), state.wish
    if wish is None or wish.wish_id != wish_id:
        return decision
    state.wish = None
    event_id = state.last.event_id if state.last is not None else ""
    scope, rule = Scope(kind="target", target=wish.target), policies.rule_for(wish.target)
    life = find_life(state, scope.id, rule.holds(), latest_command)
    if (life.command.sequence if life is not None else 0) != wish.sequence:
        decision.why = f"{scope.id} had another command since its quarantine was wished for"
    elif rule.mode == "shadow":
        decision.why = f"{scope.id} is in mode shadow since its quarantine was wished for"
    elif not granted:
        decision.why = f"{wish.opening.reason}; the fleet refused, for too many targets fail at once: see fleet_fault"
        state.suspicion.refused_at = now_ms
        state.last = LastVerdict(now_ms, event_id, scope.id, False, decision.why)
    else:
        keep(state, decision, open_quarantine(life, scope, wish.opening, now_ms, rule.holds()), shadow=False)
        decision.why = wish.opening.reason
        state.suspicion.refused_at = 0
        state.last = LastVerdict(now_ms, event_id, scope.id, True, decision.why, decision.commands[0].command_id)
    return decision
