"""A worker that stops for longer than its session, as on a machine that sleeps, misses nothing of what came."""

import re
import signal
import time

from benchmarks.events import generate
from tests.worker.conftest import PARTITIONS, Cluster, counts, totals


async def test_a_worker_expelled_before_its_first_commit_counts_all_that_came_meanwhile_and_logs_how_it_came_back(
    cluster: Cluster,
) -> None:
    """Nothing was committed, so reading starts again at the beginning of each log."""
    worker = cluster.start_worker()
    await cluster.until(lambda: "Ready:" in cluster.log_text())
    worker.send_signal(signal.SIGSTOP)
    await cluster.until(lambda: nobody_is_in_the_group(cluster))
    events = list(generate(1_200, targets=32, bad_request_ratio=0.005, seed=1, start_ms=int(time.time() * 1000)))
    await cluster.publish((event.key, event.value) for event in events)
    worker.send_signal(signal.SIGCONT)
    await cluster.until_idle("responses")
    assert cluster.stop_workers() == [0]
    assert totals(await cluster.rows()) == counts((event.target, event.status) for event in events)
    assert_rebalances_are_logged(cluster, expelled="operations 0-3; {0}rates 0-3; {0}responses 0-3")


def assert_rebalances_are_logged(cluster: Cluster, expelled: str) -> None:
    """Both processes log their partitions, and the one with a table its recoveries, before and after the expulsion."""
    partitions = cluster.prefix + expelled.format(cluster.prefix)
    lines = [line.partition(" INFO    halt400.worker: ")[2] for line in cluster.log_text().splitlines()]
    seconds, offences = r"\d+\.\d\d s", re.escape(f"{cluster.prefix}offences")
    for count, line in [
        (2, "Rebalance begun: 0 partitions revoked."),
        (1, f"Rebalance begun: 12 partitions ({partitions}) revoked."),
        (2, f"Recovery begun: {PARTITIONS} partitions of {cluster.prefix}rates."),
    ]:
        assert lines.count(line) >= count, (line, cluster.log_text())
    for line in [
        rf"Rebalance done in {seconds}: 12 partitions \({re.escape(partitions)}\) assigned, 12 of them new\.",
        rf"Rebalance done in {seconds}: 4 partitions \({offences} 0-3\) assigned, 4 of them new\.",
        rf"Recovery done in {seconds}: 0 rows on 4 partitions of {re.escape(cluster.prefix)}rates\.",
    ]:
        assert any(re.fullmatch(line, found) for found in lines), (line, cluster.log_text())


async def nobody_is_in_the_group(cluster: Cluster) -> bool:
    return await cluster.broker.members(f"{cluster.prefix}worker") == 0
