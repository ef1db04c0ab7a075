"""The detect agents: every response event and every operation passes here, in the order of its partition."""

from typing import Any

from streams.processing.engine import Engine
from streams.transport import PASS_THROUGH
from streams.worker.failure import ends_the_process

__all__ = ["register"]


def register(app: Any, topic: str, operations_topic: str, engine: Engine) -> None:
    """Add the two agents to `app`."""
    responses = app.topic(topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(responses, name="detect")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def detect(folds: Any) -> None:
        async for fold in folds.events():
            await engine.process(fold.message.partition, fold.value)

    operations = app.topic(operations_topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(operations, name="operate")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def operate(folds: Any) -> None:
        async for fold in folds.events():
            await engine.operate(fold.message.partition, fold.value)
