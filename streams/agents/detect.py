"""The detect agent: every response event passes here once, in the order of its partition."""

from typing import Any

from streams.engine import Engine
from streams.failure import ends_the_process
from streams.transport import PASS_THROUGH

__all__ = ["register"]


def register(app: Any, topic: str, engine: Engine) -> None:
    """Add the agent to `app`."""
    responses = app.topic(topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(responses, name="detect")  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def detect(folds: Any) -> None:
        async for fold in folds.events():
            await engine.process(fold.message.partition, fold.value)
