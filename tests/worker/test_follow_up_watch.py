"""The watchdog ends a follow-up process of which a partition is never read."""

from pathlib import Path
from typing import cast

import pytest
from faust.types import TP

from streams.settings import load_settings
from streams.transport import FoldingConsumer
from streams.worker.follow_up_process import build_follow_up_app
from streams.worker.watchdog import StalledWorker
from tests.waiting import until
from tests.worker.conftest import PARTITIONS, Cluster


async def test_a_follow_up_process_whose_partition_is_never_read_ends(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.watchdog.PATIENCE_S", 1.0)
    monkeypatch.setattr("streams.worker.follow_up_process.WATCH_INTERVAL_S", 0.1)
    app = build_follow_up_app(
        load_settings(
            kafka={
                "bootstrap_servers": cluster.bootstrap_servers,
                "topic_prefix": cluster.prefix,
                "partitions": PARTITIONS,
            },
            archive={"uri": (tmp_path / "archive").as_uri()},
        )
    )
    offences = TP(f"{cluster.prefix}offences", 0)
    await app.start_services()
    await app.start()
    try:
        consumer = cast(FoldingConsumer, app.consumer)
        await until(lambda: app.ready and consumer.progress([offences.topic], lambda _: None)[offences].end is not None)
        consumer.pause_partitions({offences})
        await cluster.publish([(b"no offence", b"{}")], topic="offences", partition=0)
        await until(lambda: app.failure)
    finally:
        await app.stop()
        await app.stop_services()
    assert isinstance(app.failure, StalledWorker)
    assert f"{offences.topic} partition 0" in str(app.failure)
