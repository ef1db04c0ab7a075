"""The life of a quarantine [circuit breaker]: states of a scope, and every transition as one pure function.

::

                    open                     hold is over                probe answered, not a 400
    (nothing) ───────────────► quarantined ───────────────► probing ──────────────────────────────► released
                     extend ──►│    ▲ ▲ ▲                  │ ▲ │                                      ▲   │
                               └────┘ │ │  400: hold x 2   │ │ │ lease given, lease run out           │   │ open
                                      │ └──────────────────┤ └─┘                                      │   │
                                      │  401, 403, 429, 5xx: the same hold again                      │   ▼
                                      └────────────────────┘        by a person, or expired ──────────┘  quarantined

In the terms of a circuit breaker: `quarantined` is open, `probing` half-open, `released` closed.

A transition returns the new `QuarantineState`, whose `command` is to be sent on `control`, or None where nothing
changes. A command states who issued it (`issued_by`) and why (`reason`).

**The one probe.** When the hold is over the scope is *probing*, and gates still halt it. A gate that has a request to
send claims the probe: an operation ``probe_result`` without a `probe_status`. Operations of a target are ordered, so
one claim is the first. The command that follows has its gate in `issued_by` and is the lease: that gate sends one
request within `lease_s` of `issued_at` and reports with ``probe_result``, `probe_id` = the command's id. A lease that
runs out is free to claim again.

**Expiry.** A gate that receives no more commands stops halting at `expires_at`: while quarantined `expiry_grace_s`
after the hold, while probing when the time for claims is over. No good response has proven such a scope; where it is
quarantined again within the length of its last hold, the hold doubles as after a failed probe.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from halt400.records import Command, Diagnosis, Milliseconds, Scope, Source, WindowFigures
from streams.quarantine.ids import command_id

__all__ = [
    "ISSUER",
    "Durations",
    "Opening",
    "QuarantineState",
    "claim_probe",
    "expire",
    "extend",
    "open_quarantine",
    "probe_answered",
    "probe_now",
    "release",
    "resume",
    "tick",
]

ISSUER: Final = "halt400.detect"
"""`issued_by` of commands that nobody requested."""

_INCONCLUSIVE = frozenset({401, 403, 407, 408, 425, 429})
"""Statuses that do not show whether the request was well formed; so are all 5xx."""


class Durations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a quarantine and what belongs to it last.

    Attributes
    ----------
    hold_s
        The first hold: time from the quarantine to its probe.
    hold_cap_s
        Doubling stops at this hold.
    lease_s
        Time for the holder of a probe's lease to send it and report.
    expiry_grace_s
        A gate halts this much longer than the hold, so that the probing command can reach it.
    """

    hold_s: int = 900
    hold_cap_s: int = 86_400
    lease_s: int = 60
    expiry_grace_s: int = 120


class QuarantineState(Struct, kw_only=True):
    """The state of one scope's quarantine.

    Attributes
    ----------
    command
        The last command of the scope, as it is on `control`.
    hold_ms
        The length of the current hold, or of the last one.
    hold_ends
        When the hold is over and a probe is due.
    lease_ends
        When the lease of the probe runs out; None while no gate has it.
    unproven
        Released by expiry, without a good response.
    """

    command: Command
    hold_ms: int
    hold_ends: Milliseconds
    lease_ends: Milliseconds | None = None
    unproven: bool = False

    @property
    def is_released(self) -> bool:
        """Whether nothing halts the scope: it is not quarantined, and no probe is due."""
        return self.command.state == "released"

    def is_halted(self, now_ms: int) -> bool:
        """Whether gates halt the scope at `now_ms`."""
        return self.command.state != "released" and now_ms < self.command.expires_at

    def due(self) -> int | None:
        """When `tick` has something to do, None where it has nothing."""
        if self.command.state == "released":
            return None
        if self.command.state == "quarantined":
            return self.hold_ends
        return self.command.expires_at if self.lease_ends is None else self.lease_ends


class Opening(Struct, kw_only=True, frozen=True):
    """Why a quarantine opens: what its command states besides times.

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
    severity: Literal["page", "ticket"] | None = None


def _next_command(
    current: QuarantineState, state: str, cause: str, now_ms: int, expires_at: int, reason: str, issued_by: str
) -> Command:
    command = current.command
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


def _quarantined(
    current: QuarantineState,
    cause: str,
    now_ms: int,
    hold_ms: int,
    ends: int,
    reason: str,
    issued_by: str,
    durations: Durations,
) -> QuarantineState:
    expires_at = ends + durations.expiry_grace_s * 1000
    command = _next_command(current, "quarantined", cause, now_ms, expires_at, reason, issued_by)
    return QuarantineState(command=command, hold_ms=hold_ms, hold_ends=ends)


def _doubled(hold_ms: int, durations: Durations) -> int:
    # A person may have set a hold beyond the cap; doubling never shortens it.
    return max(hold_ms, min(2 * hold_ms, durations.hold_cap_s * 1000))


def resume(command: Command, durations: Durations) -> QuarantineState:
    """The state of a scope of which only the last command is known."""
    hold_ends = max(command.issued_at, command.expires_at - durations.expiry_grace_s * 1000)
    return QuarantineState(
        command=command,
        hold_ms=max(hold_ends - command.issued_at, 1000) if command.state == "quarantined" else durations.hold_s * 1000,
        hold_ends=hold_ends,
        lease_ends=command.issued_at + durations.lease_s * 1000
        if command.state == "probing" and command.issued_by != ISSUER
        else None,
    )


def open_quarantine(
    current: QuarantineState | None,
    scope: Scope,
    opening: Opening,
    now_ms: int,
    durations: Durations,
    *,
    hold_s: int | None = None,
) -> QuarantineState:
    """Quarantine a scope, by the machine or by hand; for one that is quarantined the hold starts again.

    Parameters
    ----------
    current
        The state of the scope, None where nothing is known of it.
    hold_s
        The hold; None for the rule's, doubled where the scope has just expired unproven.
    """
    if hold_s is not None:
        hold_ms = hold_s * 1000
    elif current is not None and current.unproven and now_ms - current.command.issued_at <= current.hold_ms:
        hold_ms = _doubled(current.hold_ms, durations)
    else:
        hold_ms = durations.hold_s * 1000
    before = current.command if current is not None else None
    diagnosis = opening.diagnosis
    command = Command(
        command_id=command_id(scope.id, "quarantined", opening.cause),
        scope=scope,
        sequence=before.sequence + 1 if before is not None else 1,
        state="quarantined",
        proxy_blame=diagnosis is not None and diagnosis.blame == "proxy",
        reason=opening.reason,
        issued_by=opening.issued_by,
        opened_at=before.opened_at if before is not None and before.state != "released" else now_ms,
        issued_at=now_ms,
        expires_at=now_ms + hold_ms + durations.expiry_grace_s * 1000,
        source=opening.source,
        diagnosis=diagnosis,
        windows=list(opening.windows),
        archive_uri=opening.archive_uri,
        signature=opening.signature,
        severity=opening.severity,
    )
    return QuarantineState(command=command, hold_ms=hold_ms, hold_ends=now_ms + hold_ms)


def extend(
    current: QuarantineState,
    cause: str,
    now_ms: int,
    durations: Durations,
    *,
    hold_s: int | None,
    actor: str,
    reason: str,
) -> QuarantineState | None:
    """Extend the hold to `hold_s` from now, never shorten it; cancels a probe. None where the scope is released."""
    if current.command.state == "released":
        return None
    hold_ms = hold_s * 1000 if hold_s is not None else current.hold_ms
    ends = max(now_ms + hold_ms, current.hold_ends)
    return _quarantined(current, cause, now_ms, hold_ms, ends, reason, actor, durations)


def release(current: QuarantineState, cause: str, now_ms: int, *, actor: str, reason: str) -> QuarantineState | None:
    """Release the scope for the reason that a person gave. None where it is released already."""
    if current.command.state == "released":
        return None
    command = _next_command(current, "released", cause, now_ms, now_ms, reason, actor)
    return QuarantineState(command=command, hold_ms=current.hold_ms, hold_ends=current.hold_ends)


def expire(current: QuarantineState, now_ms: int, reason: str) -> QuarantineState:
    """Release the scope because its time is over, without a good response."""
    cause = f"{current.command.command_id}/expired"
    command = _next_command(current, "released", cause, now_ms, now_ms, reason, ISSUER)
    return QuarantineState(command=command, hold_ms=current.hold_ms, hold_ends=current.hold_ends, unproven=True)


def _probing(current: QuarantineState, cause: str, now_ms: int, expires_at: int, reason: str) -> QuarantineState:
    command = _next_command(current, "probing", cause, now_ms, expires_at, reason, ISSUER)
    return QuarantineState(command=command, hold_ms=current.hold_ms, hold_ends=current.hold_ends)


def tick(current: QuarantineState, now_ms: int, durations: Durations) -> QuarantineState | None:
    """Do what is due: open the probe, end a lease, expire. None where nothing is due."""
    due = current.due()
    if due is None or now_ms < due:
        return None
    command = current.command
    if command.state == "quarantined":
        if now_ms >= command.expires_at or command.scope.kind == "request":
            return expire(current, now_ms, "expired: the hold is over")
        claims_end = now_ms + max(current.hold_ms, 2 * durations.lease_s * 1000)
        return _probing(
            current, f"{command.command_id}/hold-over", now_ms, claims_end, "the hold is over: probe wanted"
        )
    if current.lease_ends is None or now_ms >= command.expires_at:
        return expire(current, now_ms, "expired: no probe was answered in time")
    reason = f"the probe's lease of {command.issued_by} ran out: probe wanted"
    return _probing(current, f"{command.command_id}/lease-over", now_ms, command.expires_at, reason)


def probe_now(
    current: QuarantineState, cause: str, now_ms: int, durations: Durations, *, actor: str, reason: str
) -> QuarantineState | None:
    """Open the probe before the hold is over. None where the scope is not quarantined, or is a single request.

    The command is signed by the machine: in a probing scope another name is that of the lease's holder.
    """
    command = current.command
    if command.state != "quarantined" or command.scope.kind == "request" or now_ms >= command.expires_at:
        return None
    claims_end = now_ms + max(current.hold_ms, 2 * durations.lease_s * 1000)
    return _probing(current, cause, now_ms, claims_end, f"{actor} asks for a probe: {reason}")


def claim_probe(
    current: QuarantineState, cause: str, now_ms: int, durations: Durations, *, actor: str
) -> QuarantineState | None:
    """Give the lease of the probe to `actor`. None where no probe is wanted or another gate has the lease."""
    if current.command.state != "probing" or current.lease_ends is not None or not current.is_halted(now_ms):
        return None
    lease_ends = now_ms + durations.lease_s * 1000
    expires_at = max(current.command.expires_at, lease_ends + durations.expiry_grace_s * 1000)
    command = _next_command(current, "probing", cause, now_ms, expires_at, f"{actor} sends the one probe", actor)
    return QuarantineState(command=command, hold_ms=current.hold_ms, hold_ends=current.hold_ends, lease_ends=lease_ends)


def probe_answered(
    current: QuarantineState,
    cause: str,
    now_ms: int,
    durations: Durations,
    *,
    status: int,
    actor: str = ISSUER,
    undecided: tuple[str, int | None] | None = None,
) -> QuarantineState | None:
    """Apply the probe's status: not a 400 releases, a 400 doubles the hold. None where the scope is not probing.

    A status that does not show whether the request was well formed (401, 403, 407, 408, 425, 429, 5xx) repeats the
    hold. So does a 400 with `undecided`: its cause, which is not about the request, and the seconds to hold, None for
    the same hold again. The repeated hold is no first one: `severity` is left to the routes.
    """
    if current.command.state != "probing":
        return None
    if undecided is not None:
        what, hold_s = undecided
        hold_ms = hold_s * 1000 if hold_s is not None else current.hold_ms
        reason = f"the probe got a 400 ({what}), which decides nothing: held for {hold_ms // 1000} s more"
        held = _quarantined(current, cause, now_ms, hold_ms, now_ms + hold_ms, reason, actor, durations)
        return replace(held, command=replace(held.command, severity=None))
    if status == 400:
        hold_ms = _doubled(current.hold_ms, durations)
        reason = f"the probe got a 400: held for {hold_ms // 1000} s"
        return _quarantined(current, cause, now_ms, hold_ms, now_ms + hold_ms, reason, actor, durations)
    if status in _INCONCLUSIVE or status >= 500:
        reason = f"the probe got a {status}, which decides nothing: held for {current.hold_ms // 1000} s more"
        return _quarantined(current, cause, now_ms, current.hold_ms, now_ms + current.hold_ms, reason, actor, durations)
    command = _next_command(current, "released", cause, now_ms, now_ms, f"the probe got a {status}", actor)
    return QuarantineState(command=command, hold_ms=current.hold_ms, hold_ends=current.hold_ends)
