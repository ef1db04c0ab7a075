"""The local Kafka answers clients, comes back after a kill, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from halt400.errors import LocalServiceError
from streams.local import LocalKafka
from streams.local.ports import HOST, free_ports, is_free
from tests.local.waiting import until
from tests.servers import QUICK_JAVA

pytestmark = pytest.mark.broker

OWNER = """
import sys
from streams.local import LocalKafka

broker = LocalKafka(java_options=sys.argv[1:]).start()
print(broker.port, broker.directory, flush=True)
sys.stdin.read()
"""


async def make_topic(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
    finally:
        await admin.close()


async def produce(servers: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=16 << 20)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(servers: str, topic: str, group: str) -> bytes:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return bytes((await consumer.getone()).value)
    finally:
        await consumer.stop()


async def test_what_is_produced_is_consumed_five_megabytes_too(kafka: str, prefix: str) -> None:
    await make_topic(kafka, f"{prefix}topic")
    value = os.urandom(5 << 20)
    await produce(kafka, f"{prefix}topic", value)
    assert await consume(kafka, f"{prefix}topic", f"{prefix}group") == value


@pytest.mark.skipif(
    "HALT400_KAFKA_BOOTSTRAP_SERVERS" in os.environ, reason="a cluster with settings of its own is used"
)
async def test_a_topic_is_not_created_by_accident(kafka: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        [topic] = await admin.describe_topics([f"{prefix}typo"])
        assert topic["error_code"] == UnknownTopicOrPartitionError.errno
        assert f"{prefix}typo" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_after_a_kill_it_is_back_on_its_port_with_its_records() -> None:
    with LocalKafka(java_options=QUICK_JAVA) as broker:
        servers, directory = broker.bootstrap_servers, broker.directory
        await make_topic(servers, "topic")
        await produce(servers, "topic", b"before")
        broker.kill()
        assert not broker.running
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, broker.port))
        broker.start()
        assert broker.bootstrap_servers == servers
        assert await consume(servers, "topic", "group") == b"before"
    assert is_free(broker.port)
    assert not directory.exists()


async def test_a_port_and_a_data_directory_of_ones_own_are_kept(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with LocalKafka(port, tmp_path / "data", java_options=QUICK_JAVA) as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        await make_topic(broker.bootstrap_servers, "topic")
        await produce(broker.bootstrap_servers, "topic", b"kept")
    with LocalKafka(data_dir=tmp_path / "data", java_options=QUICK_JAVA) as broker:
        assert await consume(broker.bootstrap_servers, "topic", "group") == b"kept"


def test_it_listens_on_the_loopback_interface_only() -> None:
    broker = LocalKafka()
    broker._ports, broker._dir = [1, 2], Path("/")
    listeners = broker.server_properties()["listeners"]
    assert listeners == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


def test_it_dies_with_its_owner_even_by_sigkill() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, *QUICK_JAVA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        port, directory = owner.stdout.readline().split()
        assert not is_free(int(port))
        owner.send_signal(signal.SIGKILL)
    until(lambda: is_free(int(port)), "the end of the broker")
    until(lambda: not Path(directory).exists(), "the removal of its data")


def test_a_port_in_use_is_one_clear_line_with_a_mend() -> None:
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        broker = LocalKafka(port)
        with pytest.raises(LocalServiceError, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            broker.start()
    assert "\n" not in str(caught.value)
    assert "--port" in caught.value.mend
    assert not broker.running


@pytest.mark.parametrize(
    "properties",
    [{"log.segment.bytes": "-1"}, {"metric.reporters": "no.such.Reporter"}],
    ids=["found by the format", "found by the broker"],
)
def test_a_setting_that_kafka_refuses_is_shown_in_kafkas_words(properties: dict[str, str]) -> None:
    broker = LocalKafka(java_options=QUICK_JAVA, properties=properties)
    with pytest.raises(LocalServiceError) as caught:
        broker.start()
    assert any(text in caught.value.message for text in (*properties, *properties.values()))
    assert "\tat " not in caught.value.message
    assert not broker.running


def test_a_data_directory_in_use_is_an_error_that_says_so(tmp_path: Path) -> None:
    with LocalKafka(data_dir=tmp_path, java_options=QUICK_JAVA) as broker:
        with pytest.raises(LocalServiceError, match="in use by another server"):
            LocalKafka(data_dir=tmp_path).start()
        assert broker._answers()
