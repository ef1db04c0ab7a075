"""The life of one scope: quarantined, probing, released; every transition one pure function.

::

                    open                      hold over                    probe answered, not a 400
    (nothing) ───────────────► quarantined ───────────────► probing ──────────────────────────────► released
                     extend ──►│    ▲ ▲ ▲                  │ ▲ │                                      ▲   │
                               └────┘ │ │  400: hold x 2   │ │ │ lease given, lease run out           │   │ open
                                      │ └──────────────────┤ └─┘                                      │   │
                                      │  401, 403, 429, 5xx: the same hold again                      │   ▼
                                      └────────────────────┘        by a person, or expired ──────────┘  quarantined

A transition returns the scope's new `Life`, whose `command` is what goes onto `control`, or None where nothing happens.
A command says who (`issued_by`) and why (`reason`).

**The one probe.** When the hold is over the scope is *probing* and open: issued by the machine, no gate lets anything
through. Gates with a request to send claim the probe by an operation ``probe_result`` without a `probe_status`; the
operations of a target are ordered, so one claim is first. The command that follows has the claimant in `issued_by` and
is the lease: the gate whose name that is sends one request within `lease_s` of `issued_at` and reports with
``probe_result``, `probe_id` = the command's id. A lease that runs out is opened again.

**Expiry.** A gate that hears nothing more stops halting at `expires_at`. While quarantined that is the end of the hold
and `expiry_grace_s`; while probing, the end of the time for claims. What ends so was never proven good: where it is
quarantined again within its last hold, the hold doubles as if a probe had failed.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from halt400.records import Command, Diagnosis, Milliseconds, Scope, Source, WindowFigures
from streams.quarantine.ids import command_id

__all__ = [
    "ISSUER",
    "Holds",
    "Life",
    "Opening",
    "claim_probe",
    "expire",
    "extend",
    "open_quarantine",
    "probe_answered",
    "release",
    "resume",
    "tick",
]

ISSUER: Final = "halt400.detect"
"""Who issues what no person asked for."""

_INCONCLUSIVE = frozenset({401, 403, 407, 408, 425, 429})
"""Answers that do not say whether the request was well formed, besides 5xx."""


class Holds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things last.

    Attributes
    ----------
    hold_s
        The first quarantine of a scope.
    hold_cap_s
        Doubled holds end here.
    lease_s
        Time for the holder of a probe's lease to send it and report.
    expiry_grace_s
        A gate keeps halting this long after the hold, so that the probing command can reach it.
    """

    hold_s: int = 900
    hold_cap_s: int = 86_400
    lease_s: int = 60
    expiry_grace_s: int = 120


class Life(Struct, kw_only=True):
    """Where one scope stands.

    Attributes
    ----------
    command
        The last command of the scope, as it stands on `control`.
    hold_ms
        The length of the current hold, or of the last one.
    hold_ends
        When the hold is over and a probe is due.
    lease_ends
        When the lease of a probe runs out; None while nobody holds it.
    unproven
        Released by expiry, without a good answer.
    """

    command: Command
    hold_ms: int
    hold_ends: Milliseconds
    lease_ends: Milliseconds | None = None
    unproven: bool = False

    def holds(self, now_ms: int) -> bool:
        """Whether gates halt the scope at `now_ms`."""
        return self.command.state != "released" and now_ms < self.command.expires_at

    def due(self) -> int | None:
        """When `tick` has something to do, None where nothing is left to do."""
        if self.command.state == "released":
            return None
        if self.command.state == "quarantined":
            return self.hold_ends
        return self.command.expires_at if self.lease_ends is None else self.lease_ends


class Opening(Struct, kw_only=True, frozen=True):
    """Why a quarantine opens: what its command says besides times.

    Attributes
    ----------
    cause
        What the command id derives from: ``topic/partition/offset`` or an operation id.
    """

    cause: str
    reason: str
    issued_by: str = ISSUER
    source: Source | None = None
    diagnosis: Diagnosis | None = None
    windows: tuple[WindowFigures, ...] = ()
    archive_uri: str | None = None
    signature: str | None = None


def _next(life: Life, state: str, cause: str, now_ms: int, expires_at: int, reason: str, issued_by: str) -> Command:
    command = life.command
    return replace(
        command,
        command_id=command_id(command.scope.id, state, cause),
        sequence=command.sequence + 1,
        state=state,
        reason=reason,
        issued_by=issued_by,
        issued_at=now_ms,
        expires_at=expires_at,
    )


def _hold(
    life: Life, cause: str, now_ms: int, hold_ms: int, ends: int, reason: str, issued_by: str, holds: Holds
) -> Life:
    expires_at = ends + holds.expiry_grace_s * 1000
    command = _next(life, "quarantined", cause, now_ms, expires_at, reason, issued_by)
    return Life(command=command, hold_ms=hold_ms, hold_ends=ends)


def _doubled(hold_ms: int, holds: Holds) -> int:
    # A longer hold was asked for by a person; doubling never shortens it.
    return max(hold_ms, min(2 * hold_ms, holds.hold_cap_s * 1000))


def resume(command: Command, holds: Holds) -> Life:
    """The life of a scope of which nothing but its last command is known."""
    hold_ends = max(command.issued_at, command.expires_at - holds.expiry_grace_s * 1000)
    return Life(
        command=command,
        hold_ms=max(hold_ends - command.issued_at, 1000) if command.state == "quarantined" else holds.hold_s * 1000,
        hold_ends=hold_ends,
        lease_ends=command.issued_at + holds.lease_s * 1000
        if command.state == "probing" and command.issued_by != ISSUER
        else None,
    )


def open_quarantine(
    life: Life | None, scope: Scope, opening: Opening, now_ms: int, holds: Holds, *, hold_s: int | None = None
) -> Life:
    """Quarantine a scope, by the machine or by hand; a scope already held is held anew from `now_ms`.

    Parameters
    ----------
    life
        What is known of the scope, None where nothing is.
    hold_s
        The length of the hold; None for the rule's, doubled after an expiry that nothing good followed.
    """
    if hold_s is not None:
        hold_ms = hold_s * 1000
    elif life is not None and life.unproven and now_ms - life.command.issued_at <= life.hold_ms:
        hold_ms = _doubled(life.hold_ms, holds)
    else:
        hold_ms = holds.hold_s * 1000
    before = life.command if life is not None else None
    held = before is not None and before.state != "released"
    diagnosis = opening.diagnosis
    command = Command(
        command_id=command_id(scope.id, "quarantined", opening.cause),
        scope=scope,
        sequence=before.sequence + 1 if before is not None else 1,
        state="quarantined",
        proxy_blame=diagnosis is not None and diagnosis.blame == "proxy",
        reason=opening.reason,
        issued_by=opening.issued_by,
        opened_at=before.opened_at if before is not None and held else now_ms,
        issued_at=now_ms,
        expires_at=now_ms + hold_ms + holds.expiry_grace_s * 1000,
        source=opening.source,
        diagnosis=diagnosis,
        windows=list(opening.windows),
        archive_uri=opening.archive_uri,
        signature=opening.signature,
    )
    return Life(command=command, hold_ms=hold_ms, hold_ends=now_ms + hold_ms)


def extend(
    life: Life, cause: str, now_ms: int, holds: Holds, *, hold_s: int | None, actor: str, reason: str
) -> Life | None:
    """Hold for `hold_s` from now, never shorter than before; a probe under way is called off. None when released."""
    if life.command.state == "released":
        return None
    hold_ms = hold_s * 1000 if hold_s is not None else life.hold_ms
    ends = max(now_ms + hold_ms, life.hold_ends)
    return _hold(life, cause, now_ms, hold_ms, ends, reason, actor, holds)


def release(life: Life, cause: str, now_ms: int, *, actor: str, reason: str) -> Life | None:
    """Let the scope go, for the reason that a person gave. None when it is released already."""
    if life.command.state == "released":
        return None
    command = _next(life, "released", cause, now_ms, now_ms, reason, actor)
    return Life(command=command, hold_ms=life.hold_ms, hold_ends=life.hold_ends)


def expire(life: Life, now_ms: int, reason: str) -> Life:
    """Let the scope go because its time is over, without a good answer."""
    cause = f"{life.command.command_id}/expired"
    command = _next(life, "released", cause, now_ms, now_ms, reason, ISSUER)
    return Life(command=command, hold_ms=life.hold_ms, hold_ends=life.hold_ends, unproven=True)


def _probing(life: Life, cause: str, now_ms: int, expires_at: int, reason: str) -> Life:
    command = _next(life, "probing", cause, now_ms, expires_at, reason, ISSUER)
    return Life(command=command, hold_ms=life.hold_ms, hold_ends=life.hold_ends)


def tick(life: Life, now_ms: int, holds: Holds) -> Life | None:
    """Do what time alone brings: open the probe, take back a lease, expire. None where nothing is due."""
    due = life.due()
    if due is None or now_ms < due:
        return None
    command = life.command
    if command.state == "quarantined":
        if now_ms >= command.expires_at or command.scope.kind == "request":
            return expire(life, now_ms, "expired: the hold is over")
        claims_end = now_ms + max(life.hold_ms, 2 * holds.lease_s * 1000)
        return _probing(life, f"{command.command_id}/hold-over", now_ms, claims_end, "the hold is over: probe wanted")
    if life.lease_ends is None or now_ms >= command.expires_at:
        return expire(life, now_ms, "expired: no probe was answered in time")
    reason = f"the probe's lease of {command.issued_by} ran out: probe wanted"
    return _probing(life, f"{command.command_id}/lease-over", now_ms, command.expires_at, reason)


def claim_probe(life: Life, cause: str, now_ms: int, holds: Holds, *, actor: str) -> Life | None:
    """Give the lease of the probe to `actor`. None where no probe is wanted or another holds the lease."""
    if life.command.state != "probing" or life.lease_ends is not None or not life.holds(now_ms):
        return None
    lease_ends = now_ms + holds.lease_s * 1000
    expires_at = max(life.command.expires_at, lease_ends + holds.expiry_grace_s * 1000)
    command = _next(life, "probing", cause, now_ms, expires_at, f"{actor} sends the one probe", actor)
    return Life(command=command, hold_ms=life.hold_ms, hold_ends=life.hold_ends, lease_ends=lease_ends)


def probe_answered(
    life: Life, cause: str, now_ms: int, holds: Holds, *, status: int, actor: str = ISSUER
) -> Life | None:
    """Conclude from the probe's status: not a 400 releases, a 400 doubles the hold. None where nothing is probing.

    An answer that says nothing about the request's form (401, 403, 407, 408, 425, 429, 5xx) repeats the same hold.
    """
    if life.command.state != "probing":
        return None
    if status == 400:
        hold_ms = _doubled(life.hold_ms, holds)
        reason = f"the probe got a 400: held for {hold_ms // 1000} s"
        return _hold(life, cause, now_ms, hold_ms, now_ms + hold_ms, reason, actor, holds)
    if status in _INCONCLUSIVE or status >= 500:
        reason = f"the probe got a {status}, which decides nothing: held for {life.hold_ms // 1000} s more"
        return _hold(life, cause, now_ms, life.hold_ms, now_ms + life.hold_ms, reason, actor, holds)
    command = _next(life, "released", cause, now_ms, now_ms, f"the probe got a {status}", actor)
    return Life(command=command, hold_ms=life.hold_ms, hold_ends=life.hold_ends)
