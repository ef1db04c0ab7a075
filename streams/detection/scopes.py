"""Putting a scope's new life into the target's state, with all that follows from a release."""

from collections.abc import Callable

from halt400.records import Command
from streams.detection.decision import Decision
from streams.detection.target_state import MOST_JOBS, MOST_REQUESTS_HELD, Suspicion, TargetState
from streams.quarantine.lifecycle import Holds, Life, resume

__all__ = ["find_life", "keep", "take_up"]


def find_life(
    state: TargetState, scope_id: str, holds: Holds, latest_command: Callable[[str], Command | None]
) -> Life | None:
    """The life of a scope; taken up from its last command where the state does not know it."""
    life = state.lives.get(scope_id)
    if life is None:
        command = latest_command(scope_id)
        if command is not None:
            life = state.lives[scope_id] = resume(command, holds)
    return life


def keep(state: TargetState, decision: Decision, life: Life, *, shadow: bool) -> None:
    """Remember `life` and hand its command to the decision."""
    command = life.command
    scope_id = command.scope.id
    lives = state.shadow if shadow else state.lives
    lives.pop(scope_id, None)
    lives[scope_id] = life
    (decision.withheld if shadow else decision.commands).append(command)
    if command.state == "released" and not shadow:
        _start_anew(state, life)
    _bound(lives, decision, shadow=shadow)


def take_up(state: TargetState, command: Command, holds: Holds) -> None:
    """Let the scope stand as `command` says: it was issued by a worker whose state was lost with it."""
    scope_id = command.scope.id
    state.lives.pop(scope_id, None)
    life = state.lives[scope_id] = resume(command, holds)
    if command.state == "released":
        _start_anew(state, life)


def _start_anew(state: TargetState, life: Life) -> None:
    """After a release the evidence begins at nothing; history and p0 stay."""
    scope = life.command.scope
    if scope.kind == "target":
        state.mixture.restart()
        state.suspicion = Suspicion()
        for job in state.jobs.values():
            job.mixture.restart()
    elif scope.kind == "job" and scope.job_id is not None:
        state.job(scope.job_id).mixture.restart()
        others_held = any(
            other.command.state != "released" for other in state.lives.values() if other.command.scope.kind != "request"
        )
        if state.suspicion.reported and not others_held:
            state.mixture.restart()
            state.suspicion = Suspicion()


def _bound(lives: dict[str, Life], decision: Decision, *, shadow: bool) -> None:
    """Requests that are released, and the oldest beyond the most that are held, are forgotten; so are released jobs."""
    requests = [scope_id for scope_id, life in lives.items() if life.command.scope.kind == "request"]
    spare = [scope_id for scope_id in requests if lives[scope_id].command.state == "released"]
    held = [scope_id for scope_id in requests if lives[scope_id].command.state != "released"]
    spare += held[: max(0, len(held) - MOST_REQUESTS_HELD)]
    for scope_id in spare:
        del lives[scope_id]
        if not shadow:
            decision.forgotten.append(scope_id)
    if len(lives) > 2 * MOST_JOBS + MOST_REQUESTS_HELD:
        released = [scope_id for scope_id, life in lives.items() if life.command.state == "released"]
        for scope_id in released[: len(lives) - 2 * MOST_JOBS]:
            del lives[scope_id]
