"""Quarantines in a target's state: found, restored from a command, changed, with what follows from a release."""

from collections.abc import Callable

from halt400.records import Command
from streams.detection.decision import Decision
from streams.detection.target_state import MOST_JOBS, MOST_REQUEST_SCOPES, AlarmState, TargetState
from streams.quarantine.lifecycle import Durations, QuarantineState, resume

__all__ = ["find_quarantine", "record_transition", "restore_quarantine"]


def find_quarantine(
    state: TargetState, scope_id: str, durations: Durations, latest_command: Callable[[str], Command | None]
) -> QuarantineState | None:
    """The state of a scope; restored from its last command where the target's state does not know it."""
    found = state.scopes.get(scope_id)
    if found is None:
        command = latest_command(scope_id)
        if command is not None:
            found = state.scopes[scope_id] = resume(command, durations)
    return found


def record_transition(state: TargetState, decision: Decision, quarantine: QuarantineState, *, shadow: bool) -> None:
    """Store the new state of a scope and add its command to the decision."""
    command = quarantine.command
    scope_id = command.scope.id
    scopes = state.shadow_scopes if shadow else state.scopes
    scopes.pop(scope_id, None)
    scopes[scope_id] = quarantine
    (decision.withheld if shadow else decision.commands).append(command)
    if quarantine.is_released and not shadow:
        _reset_evidence(state, quarantine)
    _limit(scopes, decision, shadow=shadow)


def restore_quarantine(state: TargetState, command: Command, durations: Durations) -> None:
    """Set a scope to what `command` states: a worker issued it and ended before it wrote its own state."""
    scope_id = command.scope.id
    state.scopes.pop(scope_id, None)
    restored = state.scopes[scope_id] = resume(command, durations)
    if restored.is_released:
        _reset_evidence(state, restored)


def _reset_evidence(state: TargetState, released: QuarantineState) -> None:
    """After a release the evidence begins at nothing; history and p0 stay."""
    scope = released.command.scope
    if scope.kind == "target":
        state.mixture.restart()
        state.alarm = AlarmState()
        for job in state.jobs.values():
            job.mixture.restart()
    elif scope.kind == "job" and scope.job_id is not None:
        state.job(scope.job_id).mixture.restart()
        others = any(not other.is_released for other in state.scopes.values() if other.command.scope.kind != "request")
        if state.alarm.reported and not others:
            state.mixture.restart()
            state.alarm = AlarmState()


def _limit(scopes: dict[str, QuarantineState], decision: Decision, *, shadow: bool) -> None:
    """Forget single requests that are released or too many, the oldest first, and released jobs beyond a bound."""
    requests = [scope_id for scope_id, each in scopes.items() if each.command.scope.kind == "request"]
    surplus = [scope_id for scope_id in requests if scopes[scope_id].is_released]
    quarantined = [scope_id for scope_id in requests if not scopes[scope_id].is_released]
    surplus += quarantined[: max(0, len(quarantined) - MOST_REQUEST_SCOPES)]
    for scope_id in surplus:
        del scopes[scope_id]
        if not shadow:
            decision.forgotten.append(scope_id)
    if len(scopes) > 2 * MOST_JOBS + MOST_REQUEST_SCOPES:
        released = [scope_id for scope_id, each in scopes.items() if each.is_released]
        for scope_id in released[: len(scopes) - 2 * MOST_JOBS]:
            del scopes[scope_id]
