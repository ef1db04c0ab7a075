import re

import pytest

from streams.contracts.asyncapi import asyncapi_document
from streams.contracts.documents import REPOSITORY, documents, read_examples
from streams.contracts.json_schemas import CONTRACTS
from streams.settings import KafkaSettings
from streams.topics import EVERY_TOPIC, declarations

DOCUMENT = asyncapi_document(read_examples())


def test_every_declared_topic_is_a_channel_with_its_settings() -> None:
    channels = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}
    declared = {topic.name: topic for topic in declarations(KafkaSettings())}
    assert channels.keys() == declared.keys() == {KafkaSettings().topic(name) for name in EVERY_TOPIC}
    for name, topic in declared.items():
        binding = channels[name]["bindings"]["kafka"]
        assert binding["partitions"] == topic.partitions
        found = {
            setting: ",".join(value) if isinstance(value, list) else str(value)
            for setting, value in binding["topicConfiguration"].items()
        }
        assert found == dict(topic.config)


def test_every_reference_can_be_resolved() -> None:
    text = documents()["schemas/asyncapi.json"]
    for reference in re.findall(r'"\$ref": "([^"]+)"', text):
        if reference.startswith("#/"):
            place = DOCUMENT
            for part in reference[2:].split("/"):
                place = place[part]
        else:
            assert (REPOSITORY / "schemas" / reference).is_file()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_record_is_the_message_of_its_topic_with_examples(contract) -> None:
    name = f"{contract.name}-v{contract.version}"
    assert name in DOCUMENT["channels"][contract.topic]["messages"]
    assert len(DOCUMENT["components"]["messages"][name]["examples"]) >= 2


def test_the_refusals_of_the_readme_the_document_and_the_worker_are_the_same() -> None:
    headers = DOCUMENT["components"]["messages"]["dead-letter"]["headers"]["properties"]
    codes = headers["halt400.error"]["enum"]
    readme = (REPOSITORY / "schemas" / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", readme.rpartition("| `halt400.error` |")[2], re.MULTILINE) == codes
    worker = "".join(
        (REPOSITORY / "streams" / "processing" / name).read_text() for name in ("decoding.py", "partition.py")
    )
    assert set(re.findall(r'Refusal\(\s*record,\s*"(\w+)"', worker)) == set(codes)
