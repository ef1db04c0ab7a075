import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from halt400.errors import BrokerUnavailable, TopicMismatch
from streams.settings import KafkaSettings, Settings, load_settings
from streams.topics import apply_topics, check_topics, compare_topics, declarations
from streams.worker.topic_watch import TopicWatch, cut_changelogs

from .command import run


@pytest.fixture
def settings(kafka: str, prefix: str) -> Settings:
    return load_settings(kafka={"bootstrap_servers": kafka, "topic_prefix": prefix, "partitions": 3})


async def test_topics_are_created_once_as_declared(settings: Settings) -> None:
    names = [topic.name for topic in declarations(settings.kafka)]
    assert await compare_topics(settings.kafka) == (names, [])
    assert await apply_topics(settings.kafka) == (names, [])
    assert await apply_topics(settings.kafka) == ([], [])
    assert await compare_topics(settings.kafka) == ([], [])
    await check_topics(settings.kafka)


async def test_what_differs_is_shown_and_not_changed(kafka: str, settings: Settings) -> None:
    await apply_topics(settings.kafka)
    control, responses = settings.kafka.topic("control"), settings.kafka.topic("responses")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_partitions({responses: NewPartitions(5)})
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, control, {"cleanup.policy": "delete", "retention.ms": "1000"})]
        )
        await admin.delete_topics([settings.kafka.topic("alerts.dlq")])
        async with asyncio.timeout(20):
            while settings.kafka.topic("alerts.dlq") in await admin.list_topics():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await admin.close()

    watch = TopicWatch(settings.kafka)
    await watch.look()
    with pytest.raises(
        TopicMismatch, match=r"alerts.dlq is gone; .*responses: partitions is 5, declared 3\."
    ) as raised:
        await watch.look()
    assert "cleanup.policy" not in str(raised.value), "an operator may change settings while a worker runs"

    made, differences = await apply_topics(settings.kafka)
    assert made == [settings.kafka.topic("alerts.dlq")]
    assert set(map(str, differences)) >= {
        f"{responses}: partitions is 5, declared 3",
        f"{control}: cleanup.policy is delete, declared compact",
    }
    assert (await compare_topics(settings.kafka))[1] == differences, "applying again changes nothing that is there"
    with pytest.raises(TopicMismatch, match="partitions is 5, declared 3"):
        await check_topics(settings.kafka)


async def test_a_changelog_that_was_cut_is_told_once(
    kafka: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await apply_topics(settings.kafka)
    rates, watch = settings.kafka.topic("rates"), TopicWatch(settings.kafka)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(3):
            await producer.send_and_wait(rates, b"row", key=b"%d" % number, partition=1)
    assert await cut_changelogs(settings.kafka) == {}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, rates, {"cleanup.policy": "delete"})])
        await admin.delete_records({TopicPartition(rates, 1): RecordsToDelete(2)})
    finally:
        await admin.close()
    for _ in range(2):
        await watch.look()
    lines = [record.message for record in caplog.records if "deleted from the beginning" in record.message]
    assert lines == [line for line in lines if f"{rates} partition 1 (before 2)" in line]
    assert len(lines) == 1


async def test_a_worker_does_not_start_on_missing_topics(settings: Settings) -> None:
    with pytest.raises(TopicMismatch, match=r"missing.*halt400 topics apply"):
        await check_topics(settings.kafka)


async def test_a_broker_that_is_not_there_is_named_with_the_mend() -> None:
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1\. .*HALT400_KAFKA_BOOTSTRAP_SERVERS"):
        await apply_topics(KafkaSettings(bootstrap_servers="127.0.0.1:1"))


async def test_the_replication_factor_is_the_declared_one_or_the_clusters(kafka: str, prefix: str) -> None:
    declared = KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=1, replication_factor=1)
    assert len((await apply_topics(declared))[0]) == len(declarations(declared))
    too_many = declared.model_copy(update={"topic_prefix": f"{prefix}x.", "replication_factor": 99})
    with pytest.raises(BrokerUnavailable, match=f"Topic {prefix}x.responses could not be created"):
        await apply_topics(too_many)


async def test_the_command_shows_created_as_declared_missing_and_differs(settings: Settings) -> None:
    def states(lines: list[str]) -> set[str]:
        return {" ".join(line.split()[1:]) for line in lines if line.startswith(settings.kafka.topic_prefix)}

    checked = await run("topics", "check", settings=settings)
    assert (checked.code, states(checked.lines)) == (1, {"missing"})
    applied = await run("topics", "apply", settings=settings)
    assert (applied.code, states(applied.lines)) == (0, {"created"})
    again = await run("topics", "apply", settings=settings)
    assert (again.code, states(again.lines)) == (0, {"as declared"})
    differing = await run("topics", "apply", settings=settings, HALT400_KAFKA_PARTITIONS="4")
    assert (differing.code, states(differing.lines)) == (
        1,
        {"differs partitions is 3, declared 4", "as declared"},  # `fleet` has one partition, whatever is set
    )
    as_json = await run("topics", "check", "--format", "json", settings=settings, HALT400_KAFKA_PARTITIONS="4")
    found = {topic["topic"].removeprefix(settings.kafka.topic_prefix): topic for topic in json.loads(as_json.out)}
    assert as_json.code == 1
    assert found["fleet"]["state"] == "as declared"
    assert found["responses"]["differences"] == [{"setting": "partitions", "declared": "4", "found": "3"}]


@pytest.mark.slow
async def test_the_declarations_are_listed_without_a_broker() -> None:
    outcome = await run("topics", "list", HALT400_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert outcome.code == 0
    for topic in declarations(KafkaSettings()):
        (line,) = [line for line in outcome.lines if line.split()[0] == topic.name]
        assert all(f"{name}={value}" in line for name, value in topic.config.items())
    as_json = await run("topics", "list", "--format", "json")
    assert [topic["topic"] for topic in json.loads(as_json.out)] == [one.name for one in declarations(KafkaSettings())]
