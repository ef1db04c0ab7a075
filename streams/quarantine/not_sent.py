"""How many requests the gates have not sent because of a quarantine: a count, for the API and for alerts."""

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["NotSent"]


class NotSent(Struct, kw_only=True, frozen=True):
    """What a quarantine has saved, counted by the gates: the least, for a gate may have died before its last report."""

    requests: Annotated[int, Meta(ge=1, description="Requests that the gates have not sent.")]
    gates: Annotated[int, Meta(ge=1, description="Gates that have counted any.")]
