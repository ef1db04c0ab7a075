"""What ends a worker, and what only comes of its end."""

import logging

import pytest

from halt400.errors import BrokerUnavailable
from streams.settings import load_settings
from streams.transport import StaleSend
from streams.worker.failure import end_process, ends_the_process
from streams.worker.faust_app import Halt400App, new_app

TOO_LATE = [
    StaleSend("2 records were not sent: the partitions have moved."),
    BrokerUnavailable("The client is closed."),
]


@pytest.fixture
async def app() -> Halt400App:
    return new_app(load_settings(kafka={"bootstrap_servers": "127.0.0.1:1"}), "follow-up")


@pytest.mark.parametrize("error", TOO_LATE)
async def test_what_a_stopping_worker_did_not_get_done_is_no_failure(
    app: Halt400App, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Faust does not tell an app that stops that its partitions were revoked, so its rows may be too late."""

    @ends_the_process(app)
    async def late() -> None:
        raise error

    app._stopped.set()
    with caplog.at_level(logging.INFO, logger="halt400.worker"):
        await late()
        await end_process(app, error)
    assert app.failure is None
    assert [record.message for record in caplog.records] == [f"Stopped before it was done: {error}"] * 2


@pytest.mark.parametrize("error", TOO_LATE)
async def test_the_same_ends_a_worker_that_runs(app: Halt400App, error: Exception) -> None:
    @ends_the_process(app)
    async def failing() -> None:
        raise error

    with pytest.raises(type(error)):
        await failing()
    assert app.failure is error


async def test_any_other_error_is_a_failure_of_a_stopping_worker_too(app: Halt400App) -> None:
    app._stopped.set()
    await end_process(app, ValueError("no such row"))
    assert isinstance(app.failure, ValueError)
