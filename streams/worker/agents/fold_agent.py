"""How a Faust agent is registered that calls a function with each fold of a topic."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from faust.types import TP

from streams.transport import PASS_THROUGH, Records, Watermarks
from streams.transport.ordered_completion import Advances, OrderedCompletion
from streams.worker.failure import end_process, ends_the_process

__all__ = ["add_fold_agent", "add_parallel_agent", "new_completion"]


def add_fold_agent(app: Any, name: str, topic: str, process: Callable[[TP, Records], Awaitable[None]]) -> None:
    """Add an agent that awaits ``process(tp, records)`` for each fold of `topic`; an error in it ends the process."""
    folds_of = app.topic(topic, key_serializer="raw", value_serializer=PASS_THROUGH, value_type=None)

    @app.agent(folds_of, name=name)  # type: ignore[untyped-decorator]
    @ends_the_process(app)
    async def agent(folds: Any) -> None:
        async for fold in folds.events():
            message = fold.message
            await process(TP(message.topic, message.partition), fold.value)


def add_parallel_agent(
    app: Any,
    name: str,
    topic: str,
    completion: OrderedCompletion,
    work: Callable[[TP, Records], Coroutine[Any, Any, None]],
) -> None:
    """Add an agent that starts ``work(tp, records)`` for each fold of `topic` and goes on to the next at once."""

    async def start(tp: TP, records: Records) -> None:
        completion.add(tp, records, work(tp, records))

    add_fold_agent(app, name, topic, start)


def new_completion(
    app: Any, watermarks: Watermarks, *, capacity: int, advances: Advances | None = None
) -> OrderedCompletion:
    """Make the completion that parallel agents of `app` share; each checkpoint waits a moment for its open work.

    Parameters
    ----------
    capacity
        Open records above which fetching pauses.
    advances
        Gets the offsets that are done; `watermarks` where it is None.
    """
    completion = OrderedCompletion(
        advances if advances is not None else watermarks,
        capacity=capacity,
        pause=lambda tps: app.consumer.pause_fetching(tps),
        resume=lambda tps: app.consumer.resume_fetching(tps),
        on_failure=partial(end_process, app),
        start_of=watermarks.start_of,
    )
    watermarks.on_checkpoint(completion.drain)
    return completion
