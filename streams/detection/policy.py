"""Policies: what a 400 leads to on which target; `policy_parser` reads them from ``halt400.toml``. Pure."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct, field

from streams.detection.cause_rows import BUILT_IN_ROWS, CauseRow
from streams.detection.mixture import Tiers
from streams.detection.null_ratio import FLOOR
from streams.detection.requests import Retries
from streams.quarantine.lifecycle import Durations

__all__ = ["FleetRules", "Policies", "Rule"]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy for the targets of one pattern.

    Attributes
    ----------
    pattern
        Shell pattern of the target's name (``*``, ``?``, ``[a-z]``), case ignored.
    policy
        ``strict``: any 400 quarantines its job on that target. ``evidence``: the retry is aborted; the job is
        quarantined when the diagnosis is certain or its detector reaches `job_tier`.
    mode
        ``shadow``: everything is computed and recorded, no command is issued.
    job_tier
        The tier at which a job is quarantined by its own detector under ``evidence``.
    hold_s, hold_cap_s, lease_s, expiry_grace_s
        See `streams.quarantine.lifecycle.Durations`.
    least_p0
        The floor of the null ratio: this part of the target's responses is normally a 400.
    old_news_s
        A 400 older than this when read is archived and counted but opens no quarantine.
    causes
        What a cause leads to, where that is not as `policy` says; see `streams.detection.cause_rows`.
    line
        The rule's line in the file; 0 for the built-in rule.
    """

    pattern: str = "*"
    policy: Literal["strict", "evidence"] = "strict"
    mode: Literal["live", "shadow"] = "live"
    job_tier: Literal["ticket", "page"] = "ticket"
    hold_s: int = 900
    hold_cap_s: int = 86_400
    lease_s: int = 60
    expiry_grace_s: int = 120
    least_p0: float = FLOOR
    old_news_s: int = 900
    causes: Mapping[str, CauseRow] = field(default_factory=lambda: dict(BUILT_IN_ROWS))
    line: int = 0

    def durations(self) -> Durations:
        """The times of a quarantine under this rule."""
        return Durations(
            hold_s=self.hold_s,
            hold_cap_s=self.hold_cap_s,
            lease_s=self.lease_s,
            expiry_grace_s=self.expiry_grace_s,
        )


class FleetRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fleet cap [blast radius].

    Attributes
    ----------
    share_ratio
        The part of the active targets that may be quarantined by machine at once.
    minimum
        This many may always be.
    clear_s
        A tripped guard clears when nothing was refused for this long and there is room again.
    """

    share_ratio: float = 0.1
    minimum: int = 3
    clear_s: int = 900

    def cap(self, active_targets: int) -> int:
        """How many targets may be quarantined by machine at once."""
        return max(self.minimum, int(self.share_ratio * active_targets))


class Policies(Struct, frozen=True, kw_only=True):
    """All policies: rules in their order, and what applies to the whole fleet."""

    rules: tuple[Rule, ...] = ()
    default: Rule = Rule()
    tiers: Tiers = Tiers()
    fleet: FleetRules = FleetRules()
    retries: Retries = Retries()

    def rule_for(self, target: str) -> Rule:
        """The first rule whose pattern fits, else the default."""
        name = target.lower()
        for rule in self.rules:
            if fnmatchcase(name, rule.pattern):
                return rule
        return self.default
