"""What a policy would have done to a recording: quarantines, requests not sent, bounds on false alarms."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from halt400.records import Command, ResponseEvent
from streams.detection import Policies, Rule, counts_as_trial

__all__ = ["PolicyEstimate", "live_policies"]


class PolicyEstimate(Struct, kw_only=True):
    """Counts of a dry run under one policy.

    Attributes
    ----------
    jobs_held, targets_held, requests_held
        Quarantines opened, of whole jobs, of whole targets, of single requests.
    requests_saved, proxy_time_saved_s
        Requests of the recording that were sent while their scope would have been quarantined, and how long they took;
        seconds are None where the recording has no durations.
    logical_requests
        Trials of the detectors.
    false_pages_bound
        Upper bound on the expected number of false pages over whole targets, had nothing been wrong.
    false_job_holds_bound
        The same for jobs that their detector quarantines; None where any 400 quarantines its job.
    """

    jobs_held: int = 0
    targets_held: int = 0
    requests_held: int = 0
    requests_saved: int = 0
    proxy_time_saved_s: float | None = None
    logical_requests: int = 0
    false_pages_bound: float = 0.0
    false_job_holds_bound: float | None = None

    def count_request(self, event: ResponseEvent, *, saved: bool) -> None:
        """Count a request, and whether it would not have been sent."""
        self.logical_requests += counts_as_trial(event.attempt)
        if saved:
            self.requests_saved += 1
            if event.duration_ms is not None:
                self.proxy_time_saved_s = (self.proxy_time_saved_s or 0.0) + event.duration_ms / 1000

    def count_command(self, command: Command) -> None:
        """Count a command that quarantines."""
        if command.state != "quarantined":
            return
        if command.scope.kind == "target":
            self.targets_held += 1
        elif command.scope.kind == "job":
            self.jobs_held += 1
        else:
            self.requests_held += 1

    def with_bounds(self, policies: Policies) -> "PolicyEstimate":
        """Return it with the bounds on false alarms that the detectors of `policies` guarantee."""
        tiers, rule = policies.tiers, policies.default
        by_detector = rule.policy == "evidence"
        return replace(
            self,
            false_pages_bound=self.logical_requests / tiers.page,
            false_job_holds_bound=self.logical_requests / getattr(tiers, rule.job_tier) if by_detector else None,
        )


def live_policies(policies: Policies, policy: Literal["strict", "evidence"] | None = None) -> Policies:
    """The same rules in mode ``live``, all with `policy` where it is given: a dry run issues nothing anyway."""

    def live(rule: Rule) -> Rule:
        return replace(rule, mode="live", policy=policy or rule.policy)

    return replace(policies, rules=tuple(live(rule) for rule in policies.rules), default=live(policies.default))
