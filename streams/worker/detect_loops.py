"""The loops of the detect process: checkpoints, the passing of time, grant decisions, the watchdog."""

import time
from functools import partial
from typing import cast

from streams import metrics
from streams.processing.assignment import Assignment
from streams.processing.engine import Engine
from streams.processing.policy_file import PolicyFile
from streams.settings import KafkaSettings
from streams.transport import FoldingConsumer
from streams.worker.detect_followers import DetectFollowers
from streams.worker.faust_app import Halt400App
from streams.worker.loops import run_every, run_repeatedly
from streams.worker.progress_watch import WATCH_INTERVAL_S, ProgressWatch
from streams.worker.target_metrics import TargetMetrics
from streams.worker.topic_watch import TOPIC_WATCH_INTERVAL_S, TopicWatch

__all__ = ["add_detect_loops"]

TICK_INTERVAL_S = 1.0
TARGETS_INTERVAL_S = 15.0


def add_detect_loops(
    app: Halt400App,
    engine: Engine,
    assignment: Assignment,
    followers: DetectFollowers,
    policies: PolicyFile,
    kafka: KafkaSettings,
    *,
    checkpoint_interval_s: float,
    targets_measured: int,
) -> None:
    """Add the loops to `app`; with `targets_measured` 0 no target has metrics of its own."""
    run_every(app, checkpoint_interval_s, engine.checkpoint)
    run_every(app, TICK_INTERVAL_S, partial(_tick, engine, policies))
    run_every(app, TICK_INTERVAL_S, partial(_replace_refused, engine, assignment, followers))
    run_repeatedly(app, partial(_apply_next_decisions, engine, followers))
    watch = ProgressWatch(
        app,
        "detect",
        assignment.inputs,
        applied=assignment.applied,
        broker_answers=lambda: followers.control.in_contact,
    )
    run_every(app, WATCH_INTERVAL_S, partial(_watch, app, watch, assignment, followers))
    run_every(app, TOPIC_WATCH_INTERVAL_S, TopicWatch(kafka).look)
    if targets_measured:
        target_metrics = TargetMetrics(targets_measured)
        run_every(app, TARGETS_INTERVAL_S, partial(_measure_targets, target_metrics, assignment))


async def _tick(engine: Engine, policies: PolicyFile) -> None:
    policies.refresh()
    await engine.tick()


async def _replace_refused(engine: Engine, assignment: Assignment, followers: DetectFollowers) -> None:
    for record, reason in followers.take_refused(assignment.states.keys()):
        scope_id = record.key.decode(errors="replace")
        await engine.replace_refused(record, reason, followers.latest_command(scope_id))


async def _apply_next_decisions(engine: Engine, followers: DetectFollowers) -> None:
    await engine.apply_grant_decisions(await followers.decisions.get())


async def _measure_targets(target_metrics: TargetMetrics, assignment: Assignment) -> None:
    targets = [target for state in assignment.states.values() for target in state.loaded_targets()]
    await target_metrics.update(targets, time.time_ns() // 1_000_000)


async def _watch(app: Halt400App, watch: ProgressWatch, assignment: Assignment, followers: DetectFollowers) -> None:
    if followers.fleet.failure is not None:
        raise followers.fleet.failure
    metrics.EVENTS_BEHIND.set(cast(FoldingConsumer, app.consumer).unfetched(assignment.inputs.responses))
    await watch.look()
