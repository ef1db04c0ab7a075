"""The bodies and answers of what changes something: operations, acknowledgements, sessions."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from streams.api.access.identity import Role, Via
from streams.api.log_models import IncidentSummary, PlaceId
from streams.api.models import Count, Quarantine
from streams.operations import OperationKind

__all__ = [
    "AcknowledgementBody",
    "AcknowledgementResult",
    "LoginBody",
    "OperationBody",
    "OperationResult",
    "RedriveBody",
    "RedriveResult",
    "RedrivenLetter",
    "SessionAnswer",
]

Reason = Annotated[str, Meta(max_length=1000, pattern=r"\S", description="Why; it is recorded.")]
HoldS = Annotated[int, Meta(ge=1, le=31_536_000, description="Seconds from now on, of extend and quarantine.")]
Actor = Annotated[
    str,
    Meta(
        max_length=150,
        pattern=r"^(?!halt400\.)[\s\S]*\S",
        description="Who asks, where a program asks for a person; the name of the token is recorded too.",
    ),
]


class OperationBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """An operation. `release` sends requests again, `extend` and `quarantine` halt them, `probe` sends one now."""

    kind: OperationKind
    scope: Annotated[str, Meta(min_length=1, max_length=600, description="Such as job/api.shop.example/extract-099.")]
    reason: Reason
    hold_s: HoldS | None = None
    actor: Actor | None = None
    timeout_s: Annotated[float, Meta(ge=1, le=60, description="How long to wait for a worker.")] = 20.0


class OperationResult(Struct, kw_only=True):
    """The command that an operation led to, as a quarantine."""

    operation_id: str | None
    quarantine: Quarantine


class AcknowledgementBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """An acknowledgement: someone works on an incident, so that it is not escalated any more."""

    incident: Annotated[str, Meta(min_length=1, max_length=400, description="Its key, as /v1/incidents lists it.")]
    reason: Reason | None = None
    actor: Actor | None = None


class AcknowledgementResult(Struct, kw_only=True):
    """The incident as it was before, and who acknowledged it; the worker reads it within a second."""

    by: str
    incident: IncidentSummary


class RedriveBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which records of responses.dlq to publish again: by `ids`, by `error`, by both, or `all`."""

    reason: Reason
    ids: Annotated[list[PlaceId], Meta(max_length=1000)] = []
    error: Annotated[str, Meta(min_length=1, max_length=100, description="Such as wrong_partition.")] | None = None
    all: bool = False
    actor: Actor | None = None


class RedrivenLetter(Struct, kw_only=True):
    """What came of one dead letter.

    `sent`: it was published again; `done`: it was before; `refused`: the worker would refuse it again, for `detail`.
    """

    id: PlaceId
    target: str
    error: str
    result: Literal["sent", "done", "refused"]
    detail: str


class RedriveResult(Struct, kw_only=True):
    """What came of the dead letters: counts, and the first 1,000 of them."""

    by: str
    sent: Count
    done: Count
    refused: Count
    letters: list[RedrivenLetter]


class LoginBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A token, for a session."""

    token: Annotated[str, Meta(min_length=1, max_length=500)]


class SessionAnswer(Struct, kw_only=True):
    """Who sends the request: `via` says how that was proven."""

    name: str
    role: Role
    via: Via
