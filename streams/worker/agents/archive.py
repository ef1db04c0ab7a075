"""The archive agent: offences are counted and their evidence is written, in parallel, apart from detection."""

from typing import Any

from faust.types import TP

from streams.archive.offence_archiver import OffenceArchiver
from streams.archive.offence_counts import OffenceCounts
from streams.transport import PASS_THROUGH
from streams.transport.ordered_completion import OrderedCompletion
from streams.worker.failure import ends_the_process

__all__ = ["register"]


def register(
    app: Any,
    topic: str,
    archiver: OffenceArchiver,
    completion: OrderedCompletion,
    counts: OffenceCounts,
    *,
    manifest_interval_s: float,
) -> None:
    """Add the agent to `app`, and the task that writes the manifests."""
    offences = app.topic(topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(offences, name="archive")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def archive(folds: Any) -> None:
        async for fold in folds.events():
            tp, records = TP(fold.message.topic, fold.message.partition), fold.value
            completion.add(tp, records, archiver.archive(tp, records.end, records))

    @app.task  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def write_manifests(_app: Any) -> None:
        while not app.should_stop:
            await app.sleep(max(manifest_interval_s, counts.rest_s))
            await counts.flush()
