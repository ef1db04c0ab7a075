"""The detect agents: they give each fold of responses and of operations to the engine, in order."""

from typing import Any

from faust.types import TP

from streams.processing.engine import Engine
from streams.transport import Records
from streams.worker.agents.fold_agent import add_fold_agent

__all__ = ["register"]


def register(app: Any, responses: str, operations: str, engine: Engine) -> None:
    """Add the two agents to `app`, by the full names of their topics."""

    async def process(tp: TP, records: Records) -> None:
        await engine.process(tp.partition, records)

    async def operate(tp: TP, records: Records) -> None:
        await engine.operate(tp.partition, records)

    add_fold_agent(app, "detect", responses, process)
    add_fold_agent(app, "operate", operations, operate)
