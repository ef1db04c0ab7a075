"""The archive agent: it counts offences and writes their evidence, several folds at a time."""

from typing import Any

from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker.agents.fold_agent import add_parallel_agent
from streams.worker.loops import run_every

__all__ = ["register"]


def register(
    app: Any,
    offences: str,
    archiver: OffenceArchiver,
    completion: OrderedCompletion,
    counts: OffenceCounts,
    *,
    manifest_interval_s: float,
) -> None:
    """Add the agent on `offences` (full name) to `app`, and the loop that writes the manifests."""
    add_parallel_agent(
        app, "archive", offences, completion, lambda tp, records: archiver.archive(tp, records.end, records)
    )
    run_every(app, lambda: max(manifest_interval_s, counts.rest_s), counts.flush)
