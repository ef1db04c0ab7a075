"""The archive agent: every offence's evidence is written, in parallel, apart from detection."""

from typing import Any

from faust.types import TP

from streams.archive.archivist import Archivist
from streams.failure import ends_the_process
from streams.ledger import Ledger
from streams.transport import PASS_THROUGH

__all__ = ["register"]


def register(app: Any, topic: str, archivist: Archivist, ledger: Ledger) -> None:
    """Add the agent to `app`."""
    offences = app.topic(topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(offences, name="archive")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def archive(folds: Any) -> None:
        async for fold in folds.events():
            tp, records = TP(fold.message.topic, fold.message.partition), fold.value
            ledger.add(tp, records, archivist.archive(tp.topic, tp.partition, records))
