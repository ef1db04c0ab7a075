"""What stays of a campaign when its logs are gone: numbers, which a longer campaign adds up."""

from collections import Counter

import msgspec

from chaos.accepted import count_events
from chaos.campaign import CampaignResult
from halt400.records import Command

__all__ = ["CampaignSummary", "latencies_s", "recoveries_s", "summarize"]


class CampaignSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one campaign.

    Attributes
    ----------
    seconds, took_s
        Of traffic and faults; of all, with start, settling and judging.
    faults
        Kind -> how many there were.
    recoveries_s
        Kind -> how long each took until all was as before.
    violations
        In words.
    """

    seed: int
    seconds: float
    took_s: float
    events: int
    bad_requests: int
    offences_repeated: int
    commands: int
    commands_repeated: int
    faults: dict[str, int]
    recoveries_s: dict[str, list[float]]
    skipped: dict[str, str]
    violations: list[str]


def summarize(outcome: CampaignResult) -> CampaignSummary:
    """Count what a campaign left behind."""
    history = outcome.history
    commands = [command.command_id for _, command in history.commands()]
    offences = [offence.source for _, offence in history.offences()]
    return CampaignSummary(
        seed=outcome.plan.seed,
        seconds=outcome.plan.seconds,
        took_s=round(outcome.took_s, 1),
        events=count_events(history),
        bad_requests=len(set(offences)),
        offences_repeated=len(offences) - len(set(offences)),
        commands=len(commands),
        commands_repeated=len(commands) - len(set(commands)),
        faults=dict(Counter(fault.kind for fault, _, _ in outcome.spans)),
        recoveries_s=recoveries_s(outcome),
        skipped=outcome.skipped,
        violations=[str(violation) for violation in outcome.violations],
    )


def recoveries_s(outcome: CampaignResult) -> dict[str, list[float]]:
    """Kind of fault -> how long after each of its ends every 400 published before had its command.

    By the log's own times, from the canaries: targets of which each has one 400 in the whole campaign.
    """
    published = {
        (record.key or b"").decode(): record.appended_ms
        for record in outcome.history.records("responses")
        if (record.key or b"").startswith(b"canary-")
    }
    commanded: dict[str, int] = {}
    for record, command in outcome.history.commands():
        commanded.setdefault(command.scope.target, record.appended_ms)
    found: dict[str, list[float]] = {}
    for fault, _, ended in outcome.spans:
        late = [commanded[target] - ended for target, at in published.items() if at <= ended and target in commanded]
        found.setdefault(fault.kind, []).append(round(max([0, *late]) / 1000, 1))
    return found


def latencies_s(outcome: CampaignResult) -> list[float]:
    """From each 400 on the log that opened a quarantine to its command, in order of length."""
    appended = {(one.partition, one.offset): one.appended_ms for one in outcome.history.records("responses")}
    found = []
    for record, command in outcome.history.commands():
        if _opens(command) and command.source is not None and command.source.topic.endswith("responses"):
            at = appended.get((command.source.partition, command.source.offset))
            if at is not None:
                found.append((record.appended_ms - at) / 1000)
    return sorted(found)


def _opens(command: Command) -> bool:
    return command.opened_at == command.issued_at and command.state == "quarantined"
