"""Faults of topics: one is deleted, or gets further partitions. Each worker says so, and ends."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from chaos.history import TopicFault
from chaos.stage import PARTITIONS, CampaignStage
from chaos.worker import WorkerProcess
from halt400.errors import Halt400Error
from streams.topics import FINDINGS, RATES, apply_topics, compare_topics, declarations

__all__ = ["add_partitions", "cut_changelog", "delete_topic"]

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
    held: list[WorkerProcess] = []
    while None in ended.values() and time.monotonic() - began < ENDS_S:
        for worker in stage.regular:
            if worker not in held and _says(worker.log_text()[logs[worker.name] :], name):
                worker.hold()
                held.append(worker)
            if worker in held and not worker.runs and ended[worker.name] is None:
                ended[worker.name] = int((time.monotonic() - began) * 1000)
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


async def cut_changelog(stage: CampaignStage, which: int, remember: Callable[[str, int], Awaitable[None]]) -> None:
    """Stop the workers, delete the rows of one partition of `rates`, make them anew, and start the workers again.

    Parameters
    ----------
    remember
        ``await remember(topic, partition)``: reads what is about to be deleted, for the checker.
    """
    for worker in stage.workers:
        worker.hold()
    try:
        for worker in stage.workers:
            worker.signal(signal.SIGCONT)
        await asyncio.gather(*(asyncio.to_thread(worker.rest) for worker in stage.workers))
        number = which % PARTITIONS
        await _cut(stage, number, remember)
        await _rebuild(stage)
    finally:
        for worker in stage.workers:
            worker.release()


async def _cut(stage: CampaignStage, number: int, remember: Callable[[str, int], Awaitable[None]]) -> None:
    """Empty a partition. A topic that is only compacted lets nobody delete, so it is not for a moment."""
    name = stage.direct.topic(RATES)
    declared = next(dict(topic.config) for topic in declarations(stage.direct) if topic.name == name)
    is_cut = False

    async def cut(admin: AIOKafkaAdminClient) -> None:
        nonlocal is_cut
        await admin.alter_configs([_configured(name, declared | {"cleanup.policy": "compact,delete"})])
        await remember(RATES, number)
        await admin.delete_records({TopicPartition(name, number): RecordsToDelete(-1)})
        await admin.alter_configs([_configured(name, declared)])
        is_cut = True

    async def is_done() -> bool:
        return is_cut and await _is_right(stage)

    await _until_done(stage, cut, is_done)


def _configured(name: str, config: dict[str, str]) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, config)


async def _rebuild(stage: CampaignStage) -> None:
    """Run ``halt400 rebuild --missing`` until it is done; the group knows stopped workers for a session."""
    deadline = time.monotonic() + MENDS_S
    while True:
        command = [sys.executable, "-m", "halt400", "rebuild", "--missing"]
        running = await asyncio.create_subprocess_exec(
            *command,
            env=stage.environment("direct"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await running.communicate()
        if running.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"halt400 rebuild failed for {MENDS_S:g} s: {output.decode(errors='replace')}")
        await asyncio.sleep(1.0)
