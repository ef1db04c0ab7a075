"""A worker that stood still for longer than its session, a machine that slept say, misses nothing of what came."""

import signal
import time

from benchmarks.events import generate
from tests.broker import members
from tests.worker.conftest import Cluster, counts, totals


async def test_a_worker_that_was_taken_for_dead_before_it_committed_anything_counts_all_that_came_meanwhile(
    cluster: Cluster,
) -> None:
    """Nothing was committed, so there is nothing to go back to but the beginning of each log."""
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


async def nobody_is_in_the_group(cluster: Cluster) -> bool:
    return await members(cluster.bootstrap_servers, f"{cluster.prefix}worker") == 0
