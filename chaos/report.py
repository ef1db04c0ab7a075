"""What one campaign is told as, for people."""

from collections import Counter

from chaos.campaign import CampaignResult
from chaos.summary import latencies_s, recoveries_s, summarize
from chaos.violation import INVARIANTS

__all__ = ["describe"]

SHOWN = 20


def figures(outcome: CampaignResult) -> dict[str, str]:
    """What happened, in numbers."""
    history, counted = outcome.history, summarize(outcome)
    lines = [line for scraper in history.scrapers.values() for line in scraper]
    late = latencies_s(outcome)
    half, most = (late[len(late) // 2], late[-1]) if late else (0.0, 0.0)
    pages = [page for page in history.pages if page.status == 200]
    targets = {target for answer in history.rows_answers for target in answer.targets}
    return {
        "events on the log": f"{counted.events:,}",
        "sent by scrapers": f"{sum(line.kind == 'sent' for line in lines):,}",
        "400s": f"{counted.bad_requests:,} ({counted.offences_repeated} offences written again)",
        "commands": f"{counted.commands:,} ({counted.commands_repeated} written again)",
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
        "the campaign itself waited for a processor": f"{outcome.longest_wait_s:.1f} s at the most",
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
