"""The texts of findings for people: title, remedy, who is concerned. Pure."""

import shlex
from collections.abc import Sequence
from typing import Final

from streams.detection import Finding

__all__ = [
    "CAUSE_TEXTS",
    "in_common",
    "most_severe",
    "remedy_text",
    "retry_loop_senders",
    "title_text",
    "wasted_requests",
]

SHOWN_NAMES: Final = 5

CAUSE_TEXTS: Final = {
    "fleet_fault": "your own release, proxy pool or network, not the targets",
    "retry_loop": "a request is sent again after its retry was aborted",
    "poison_item": "one item of one job, not the target",
    "target_alarm": "the target answers 400 far more often than it used to",
    "refused_records": "what is published is not counted and halts nothing",
}
"""What the cause of an incident means where it is a kind of finding."""

_FLEET_REMEDIES: Final = {
    "release": "Roll back release {value}, or stop its jobs.",
    "proxy_pool": "Take proxy pool {value} out of use.",
    "client": "Go back to the version of the client library before {value}.",
    "region": "Look at network and proxies of region {value}.",
    None: "Look at what every job passes: proxies, DNS, network, clocks.",
}

_REFUSAL_REMEDIES: Final = {
    "wrong_partition": "Publish with the murmur2 partitioner: with librdkafka (confluent-kafka, node-rdkafka, "
    "rust-rdkafka, kcat, .NET) set partitioner=murmur2_random; schemas/README.md has the setting of other clients.",
    "key_mismatch": "Publish with the target as key.",
    "not_signed": "Find out who writes to the topic besides workers and people, and take that right from them; where "
    "it is one of yours, give it a key. docs/security.md has both.",
    "invalid_target": "Use the host as target: no slash, control character or outer space.",
    None: "Validate what is published against the schemas in schemas/.",
}


def most_severe(findings: Sequence[Finding]) -> Finding:
    """The finding that a message is about: the latest of those that are a page, else the latest."""
    return max(findings, key=lambda finding: (finding.severity == "page", finding.at_ms, finding.finding_id))


def wasted_requests(findings: Sequence[Finding]) -> int | None:
    """Requests that retry loops have wasted, at the least: a loop is reported at every doubling."""
    wasted = [finding.wasted_requests for finding in findings if finding.wasted_requests is not None]
    return sum(wasted) if wasted else None


def title_text(findings: Sequence[Finding], wasted: int | None = None) -> str:
    """The title of a message about findings alone; `wasted`: the requests that all of them have wasted."""
    finding = most_severe(findings)
    where = finding.target or "The fleet"
    match finding.kind:
        case "retry_loop":
            source = f"release {finding.release}" if finding.release else f"worker {finding.worker or 'unnamed'}"
            return f"{where}: {source} ignores the gate, {wasted or 0:,} requests wasted so far"
        case "poison_item":
            return f"{where}: one poison item of job {', '.join(finding.jobs) or 'unnamed'}"
        case "target_alarm":
            number = f"{len(finding.jobs)} jobs" if len(finding.jobs) != 1 else f"job {finding.jobs[0]}"
            return f"{where} answers 400 to {number}, and is not halted as a whole"
        case "fleet_fault":
            shared = f": they share {_common(finding)}" if finding.attribute is not None else ""
            return f"The fleet is at fault, many targets fail at once{shared}"
        case "refused_records":
            return f"Records that are published are refused, and not counted: {finding.value}"


def remedy_text(finding: Finding) -> str:
    """What to do about a finding."""
    target = finding.target or ""
    match finding.kind:
        case "retry_loop":
            return (
                "Let its requests pass the gate, and do not catch JobQuarantined to send again: see docs/sdk.md. "
                f"Until then stop {_sender(finding)}; this costs proxies and teaches the target to ban you."
            )
        case "poison_item":
            return (
                f"Take the item that fails out of job {', '.join(finding.jobs) or 'unnamed'}; "
                f"`halt400 explain {shlex.quote(target)}` shows what the detector saw."
            )
        case "target_alarm":
            scope = shlex.quote(f"target/{target}")
            return (
                f"See whether the API has changed. `halt400 explain {shlex.quote(target)}` says why the target is not "
                f'halted as a whole; `halt400 quarantine {scope} --reason "..."` halts it.'
            )
        case "fleet_fault":
            what = _FLEET_REMEDIES.get(finding.attribute, _FLEET_REMEDIES[None]).format(value=finding.value)
            return (
                f"{what} Until it clears the machine halts no further target as a whole; jobs are halted as before, "
                'and a person can halt a target: `halt400 quarantine target/NAME --reason "..."`.'
            )
        case "refused_records":
            what = _REFUSAL_REMEDIES.get(finding.value, _REFUSAL_REMEDIES[None])
            return (
                f"{what} `halt400 dead-letters list` shows the refused records with their reasons; once it is mended, "
                "`halt400 dead-letters redrive` publishes again what can be taken."
            )


def in_common(findings: Sequence[Finding]) -> str | None:
    """What the failing jobs of a fault of the fleet have in common, None where no finding is of that kind."""
    found = [finding for finding in findings if finding.kind == "fleet_fault"]
    if not found:
        return None
    finding = most_severe(found)
    if finding.attribute is None:
        return "no release, proxy pool, client library or region"
    parts = []
    if finding.coverage_ratio is not None:
        parts.append(f"{finding.coverage_ratio:.0%} of the failing jobs")
    if finding.lift is not None:
        parts.append(f"{finding.lift:.1f} times as common among them as among all jobs")
    return f"{_common(finding)}: {', '.join(parts)}" if parts else _common(finding)


def retry_loop_senders(findings: Sequence[Finding]) -> str | None:
    """Which workers send retry loops, the most wasteful first; None where there is no such finding."""
    loops = sorted(
        (finding for finding in findings if finding.kind == "retry_loop"),
        key=lambda finding: (-(finding.wasted_requests or 0), finding.finding_id),
    )
    lines = [
        f"{_sender(finding)}, job {finding.job_id or 'unnamed'}: {finding.wasted_requests or 0:,} requests wasted"
        for finding in loops[:SHOWN_NAMES]
    ]
    if len(loops) > SHOWN_NAMES:
        lines.append(f"and {len(loops) - SHOWN_NAMES} more requests of this kind")
    return "\n".join(lines) or None


def _common(finding: Finding) -> str:
    return f"{(finding.attribute or '').replace('_', ' ')} {finding.value}"


def _sender(finding: Finding) -> str:
    return f"worker {finding.worker or 'unnamed'} of release {finding.release or 'unnamed'}"
