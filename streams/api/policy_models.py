"""The answer about the policies in force."""

from msgspec import Struct

from streams.detection import FleetRules, Retries, Rule, Tiers

__all__ = ["PolicyAnswer"]


class PolicyAnswer(Struct, kw_only=True):
    """The policies of the file that this process reads: `rules` in their order, `default` where none of them fits.

    `file` is null where there is none. `rule` is the one in force for `target`, null unless a target was named.
    """

    file: str | None
    rules: list[Rule]
    default: Rule
    fleet: FleetRules
    tiers: Tiers
    retries: Retries
    target: str | None
    rule: Rule | None
