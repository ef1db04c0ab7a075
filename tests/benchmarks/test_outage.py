"""The outage benchmark, shortened: what it checks holds, with S3 away and the worker killed meanwhile."""

from pathlib import Path

import pytest

from benchmarks.outage import run_away
from streams.settings import KafkaSettings


@pytest.mark.slow
async def test_an_archive_that_is_away_while_the_worker_is_killed_ends_exactly_right(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, partitions=4)
    quickly = {"manifest_interval_s": 1.0, "targets": 50}
    found = await run_away(settings, tmp_path, 6.0, kill=True, around_s=2.0, per_s=700, warm_up_s=3.0, **quickly)
    assert found["accounts"]["exact"], found["accounts"]
    assert found["accounts"]["offences"] > found["bad_requests"] > 300
    assert found["exit_code"] == 0
    assert found["offences_latency"]["before"]["n"]
    assert found["offences_latency"]["away"]["n"]
