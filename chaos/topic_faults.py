"""Faults of topics: one is deleted, or gets further partitions. Each worker says so, and ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError

from chaos.history import TopicFault
from chaos.stage import PARTITIONS, CampaignStage
from halt400.errors import Halt400Error
from streams.topics import FINDINGS, apply_topics, compare_topics

__all__ = ["add_partitions", "delete_topic"]

ENDS_S = 150.0
"""A worker looks at its topics every 30 s, must see a change twice, and other faults go on meanwhile."""
MENDS_S = 60.0
SAYS = ("The worker ends: TopicMismatch", "Topics are missing", "partitions is")


async def delete_topic(stage: CampaignStage) -> TopicFault:
    """Delete `findings`, and make it again when every worker has ended for it."""
    name = stage.direct.topic(FINDINGS)
    return await _change(stage, "deleted", name, lambda admin: admin.delete_topics([name]))


async def add_partitions(stage: CampaignStage) -> TopicFault:
    """Give `findings` further partitions, and make it as declared again when every worker has ended for it."""
    name, more = stage.direct.topic(FINDINGS), NewPartitions(PARTITIONS + 3)
    return await _change(stage, "given more partitions", name, lambda admin: admin.create_partitions({name: more}))


async def _change(
    stage: CampaignStage, what: str, name: str, change: Callable[[AIOKafkaAdminClient], Awaitable[object]]
) -> TopicFault:
    logs = {worker.name: len(worker.log_text()) for worker in stage.regular}
    began = time.monotonic()
    await _until_done(stage, change, lambda: _is_changed(stage, name))
    ended: dict[str, int | None] = dict.fromkeys(logs)
    held = []
    while None in ended.values() and time.monotonic() - began < ENDS_S:
        for worker in stage.regular:
            if ended[worker.name] is None and _says(worker.log_text()[logs[worker.name] :], name):
                ended[worker.name] = int((time.monotonic() - began) * 1000)
                worker.hold()
                held.append(worker)
        await asyncio.sleep(0.2)
    await _until_done(stage, lambda admin: _mend(stage, admin, name), lambda: _is_right(stage))
    for worker in held:
        worker.release()
    return TopicFault(what, name, ended)


def _says(log: str, name: str) -> bool:
    return any(name in line and any(words in line for words in SAYS) for line in log.splitlines())


async def _is_right(stage: CampaignStage) -> bool:
    missing, differences = await compare_topics(stage.direct)
    return not missing and not differences


async def _is_changed(stage: CampaignStage, name: str) -> bool:
    missing, differences = await compare_topics(stage.direct)
    return name in missing or any(one.topic == name for one in differences)


async def _mend(stage: CampaignStage, admin: AIOKafkaAdminClient, name: str) -> None:
    missing, _ = await compare_topics(stage.direct)
    if name not in missing:
        await admin.delete_topics([name])
    await apply_topics(stage.direct)


async def _until_done(
    stage: CampaignStage,
    step: Callable[[AIOKafkaAdminClient], Awaitable[object]],
    is_done: Callable[[], Awaitable[bool]],
) -> None:
    """Take the step until it is seen to be done; brokers may be away."""
    deadline = time.monotonic() + MENDS_S
    while time.monotonic() < deadline:
        admin = AIOKafkaAdminClient(bootstrap_servers=stage.direct.bootstrap_servers, request_timeout_ms=5_000)
        try:
            await admin.start()
            if not await is_done():
                await step(admin)
            if await is_done():
                return
        except (KafkaError, Halt400Error, OSError, TimeoutError):
            pass
        finally:
            await admin.close()
        await asyncio.sleep(0.5)
    raise TimeoutError(f"the topics could not be changed within {MENDS_S:g} s")
