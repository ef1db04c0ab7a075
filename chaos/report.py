"""What a campaign is told as: text for people, and the section of docs/reliability.md."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from chaos.campaign import CampaignResult
from chaos.schedule import KINDS, Fault
from chaos.violation import INVARIANTS
from halt400.records import Command

__all__ = ["describe", "recoveries_s", "write_section"]

BEGIN = "<!-- Written by `make chaos`: begin -->"
END = "<!-- Written by `make chaos`: end -->"
SHOWN = 20


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
        found.setdefault(fault.kind, []).append(max([0, *late]) / 1000)
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


def figures(outcome: CampaignResult) -> dict[str, str]:
    """What happened, in numbers."""
    history = outcome.history
    commands = list(history.commands())
    repeated = len(commands) - len({command.command_id for _, command in commands})
    offences = list(history.offences())
    sources = {(offence.source.partition, offence.source.offset) for _, offence in offences}
    lines = [line for scraper in history.scrapers.values() for line in scraper]
    late = latencies_s(outcome)
    half, most = (late[len(late) // 2], late[-1]) if late else (0.0, 0.0)
    pages = [page for page in history.pages if page.status == 200]
    targets = {target for answer in history.rows_answers for target in answer.targets}
    return {
        "events on the log": f"{len(history.records('responses')):,}",
        "sent by scrapers": f"{sum(line.kind == 'sent' for line in lines):,}",
        "400s": f"{len(sources):,} ({len(offences) - len(sources)} offences written again)",
        "commands": f"{len(commands):,} ({repeated} written again)",
        "from a 400 to its command": f"median {half:.2f} s, longest {most:.1f} s, faults included",
        "archived objects": f"{sum(key.endswith('.har') for key in history.objects):,}",
        "pages": f"{len(pages):,} ({len(pages) - len({(page.id, page.action) for page in pages})} repeated)",
        "answers of the API checked": f"{len(history.quarantine_answers):,} of quarantines, "
        f"{len(history.rows_answers):,} of {len(targets):,} targets",
        "commits checked": f"{len(history.commits):,}",
        "ends of workers that nobody asked for": f"{sum(map(len, outcome.exits.values()))}",
        "settled after": "not in time" if outcome.settled_s is None else f"{outcome.settled_s:.0f} s",
        "exit codes at the end": ", ".join(map(str, history.exit_codes.values())),
        "most of one worker": f"{outcome.peak_rss_bytes / 2**20:.0f} MiB, {outcome.peak_descriptors} descriptors",
    }


def describe(outcome: CampaignResult) -> str:
    """The report for people."""
    plan = outcome.plan
    lines = [f"seed {plan.seed}, {plan.seconds:.0f} s of traffic, {len(outcome.spans)} faults, {outcome.took_s:.0f} s"]
    lines += [f"  {name}: {value}" for name, value in figures(outcome).items()]
    lines += [f"  not possible here: {kind}: {why}" for kind, why in sorted(outcome.skipped.items())]
    lines += [
        f"  {name}: {kind} times, longest recovery {max(times):.1f} s"
        for name, (kind, times) in {k: (len(v), v) for k, v in sorted(recoveries_s(outcome).items())}.items()
    ]
    if not outcome.violations:
        return "\n".join([*lines, f"No violation of the {len(INVARIANTS)} invariants."])
    counts = Counter(violation.invariant for violation in outcome.violations)
    lines += [f"{counts[number]} violations of ({number}) {INVARIANTS[number]}" for number in sorted(counts)]
    shown: Counter[int] = Counter()
    for violation in outcome.violations:
        shown[violation.invariant] += 1
        if shown[violation.invariant] <= SHOWN:
            lines.append(f"  ({violation.invariant}) {violation.detail}")
    return "\n".join(lines)


def write_section(path: Path, outcomes: Sequence[CampaignResult]) -> None:
    """Replace the section of the page that `make chaos` writes.

    Raises
    ------
    ValueError
        The page has no such section.
    """
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} has no lines {BEGIN!r} and {END!r}: add them where the report is to be")
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{section(outcomes)}\n{END}{rest.partition(END)[2]}")


def section(outcomes: Sequence[CampaignResult]) -> str:
    """The campaigns as tables."""
    rows = ["| seed | seconds | faults | events | 400s | commands | violations |", "|---|---|---|---|---|---|---|"]
    for one in outcomes:
        seen = figures(one)
        rows.append(
            f"| {one.plan.seed} | {one.plan.seconds:.0f} | {len(one.spans)} | {seen['events on the log']} | "
            f"{seen['400s']} | {seen['commands']} | {len(one.violations)} |"
        )
    recoveries: dict[str, list[float]] = {}
    for one in outcomes:
        for kind, times in recoveries_s(one).items():
            recoveries.setdefault(kind, []).extend(times)
    rows += ["", "| fault | what it does | times | recovery: median | longest |", "|---|---|---|---|---|"]
    for kind in KINDS:
        times = sorted(recoveries.get(kind, ()))
        seen_times = f"{len(times)} | {times[len(times) // 2]:.1f} s | {times[-1]:.1f} s" if times else "0 | - | -"
        rows.append(f"| `{kind}` | {KINDS[kind].title} | {seen_times} |")
    total = sum(len(one.history.records("responses")) for one in outcomes)
    faults = sum(len(one.spans) for one in outcomes)
    found = sum(len(one.violations) for one in outcomes)
    rows += ["", f"Together: {total:,} events, {faults} faults, {found} violations.", ""]
    return "\n".join(rows)


def timeline(faults: Iterable[Fault]) -> str:
    """The schedule, one fault a line."""
    return "\n".join(f"{fault.at_s:7.1f} s  {fault.kind} {fault.which} for {fault.for_s:g} s" for fault in faults)
