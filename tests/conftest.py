"""What tests share: one real Kafka and one real S3 server per session, started when the first test asks for them."""

import os
import secrets
from collections.abc import Iterator

import pytest

from streams.local import LocalKafka, LocalS3

_SERVICES = {"kafka": "broker", "s3": "s3"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by the services that it uses, so that ``-m "not broker and not s3"`` needs neither."""
    for item in items:
        for fixture, marker in _SERVICES.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture(scope="session", autouse=True)
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A state directory of this session, for processes that are started too: tests leave the user's alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of the cluster in HALT400_KAFKA_BOOTSTRAP_SERVERS, else of a local Kafka of this session."""
    given = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield given
        return
    with LocalKafka() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def s3() -> Iterator[LocalS3]:
    """A local S3 server of this session; make a bucket of your own with ``s3.create_bucket(name)``."""
    with LocalS3() as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A prefix for the names of topics and groups, one per test, so that tests can share one broker."""
    return f"t-{secrets.token_hex(4)}."
