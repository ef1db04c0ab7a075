"""The commands of schemas/README.md publish what the worker counts: by kcat, and by Node.js."""

import asyncio
import os
import re
import shutil
import zlib
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.local import cache_dir
from streams.processing.decoding import RecordReader, decode_event
from streams.topics import partition_of
from tests.broker import read_to_end

PAGE = (Path(__file__).parents[2] / "schemas" / "README.md").read_text()
PARTITIONS = 5
TARGET = "api.shop.example"
KAFKAJS = "kafkajs@2.2.4"
DEADLINE_S = 60.0


def block(language: str) -> str:
    """The only block of the page in this language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
async def topic(kafka: str, prefix: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}responses", PARTITIONS, 1)])
    await admin.close()
    return f"{prefix}responses"


async def run(kafka: str, topic: str, text: str, *command: str | Path, **variables: str) -> str:
    """Run a block of the page on the tests' broker; return what it prints."""
    here = text.replace("kafka:9092", kafka).replace("halt400.responses", topic)
    process = await asyncio.create_subprocess_exec(
        *command, here, env=os.environ | variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def assert_counted(kafka: str, topic: str) -> None:
    """One record is on the topic, which a worker counts."""
    [record] = await read_to_end(kafka, topic, PARTITIONS)
    event = decode_event(record.value or b"")
    assert (event.target, event.job_id, event.response.status) == (TARGET, "extract-099", 200)
    assert abs(event.time - record.timestamp) < 60_000
    reader = RecordReader(record.partition, lambda key: partition_of(key, PARTITIONS))
    assert reader.check_place(record, event.target) is None


def test_the_target_of_the_page_shows_the_wrong_partitioner() -> None:
    """Else the tests below would pass with the default of librdkafka."""
    assert zlib.crc32(TARGET.encode()) % PARTITIONS != partition_of(TARGET.encode(), PARTITIONS)


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed (Debian, Homebrew: package kcat)")
async def test_by_kcat(kafka: str, topic: str) -> None:
    await run(kafka, topic, block("console"), "bash", "-euo", "pipefail", "-c")
    await assert_counted(kafka, topic)


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js with npm is not installed")
async def test_by_node(kafka: str, topic: str) -> None:
    modules = await kafkajs()
    printed = await run(kafka, topic, block("javascript"), "node", "-e", NODE_PATH=str(modules))
    assert "artitioner" not in printed  # KafkaJS warns of its new default where none is named
    await assert_counted(kafka, topic)


async def kafkajs() -> Path:
    """KafkaJS from npm's registry, in the user's cache, once."""
    home = cache_dir() / "test-environments" / KAFKAJS
    if not (home / "node_modules" / "kafkajs" / "package.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        npm = await asyncio.create_subprocess_exec(
            "npm", "install", "--prefix", home, "--no-audit", "--no-fund", KAFKAJS,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await npm.communicate()
        if npm.returncode != 0:
            pytest.skip(f"npm did not install {KAFKAJS}: {out.decode()[-300:]}")
    return home / "node_modules"
