"""From a response to an alert: the whole worker sends each cause once, and its metrics count it."""

import asyncio
import re
import time

import httpx
import msgspec

from streams.alerts.notification import Notification, decode_notification
from tests.worker.conftest import Cluster
from tests.worker.test_lifecycle import TARGET, broken, event, good

ALERTS = """
[alerts.sink.out]
kind = "stdout"
format = "json"
[[alerts.route]]
name = "all"
sinks = ["out"]
group_wait_s = 0
group_interval_s = 0
"""


def sent(cluster: Cluster) -> list[Notification]:
    lines = cluster.log_text().splitlines()
    return [decode_notification(line.encode()) for line in lines if line.startswith('{"id":"ntf-')]


async def scrape(cluster: Cluster) -> dict[str, float]:
    """The metrics of the detect process and of the follow-up process, by name and labels."""
    urls = re.findall(r"Metrics at (\S+)\.\n", cluster.log_text())
    async with httpx.AsyncClient() as client:
        pages = await asyncio.gather(*(client.get(url) for url in urls))
    lines = [line.rpartition(" ") for page in pages for line in page.text.splitlines() if line.startswith("halt400_")]
    # Each process has every metric without labels; what it does not count stays 0.
    found: dict[str, float] = {}
    for name, _, value in lines:
        found[name] = found.get(name, 0.0) + float(value)
    return found


async def test_a_break_of_a_target_is_one_page_and_a_worker_that_ignores_the_gate_is_named(cluster: Cluster) -> None:
    cluster.write_policies(ALERTS)
    cluster.start_worker(HALT400_METRICS_PORT="0")
    await cluster.publish([*good(5_000), *broken(200)])
    await cluster.until(lambda: any(one.severity == "page" for one in sent(cluster)))
    await cluster.until_idle("responses", "offences")

    ignored = msgspec.json.decode(event(400, job_id="job-1")[1]) | {"worker": "worker-7"}
    for number in range(4):
        again = {"id": f"{ignored['id']}-{number}", "time": int(time.time() * 1000) + 5_000, "attempt": number + 1}
        await cluster.publish([(TARGET.encode(), msgspec.json.encode(ignored | again))])
    loop = await cluster.until(lambda: [one for one in sent(cluster) if one.cause == "retry_loop"])
    assert (loop[0].findings[0].worker, loop[0].findings[0].release) == ("worker-7", "4.2.1")
    pages = [one for one in sent(cluster) if one.severity == "page"]
    assert len({one.incident for one in pages}) == 1
    assert len([one for one in pages if one.action == "trigger"]) == 1
    assert "target" in {scope.split("/")[0] for scope in pages[-1].scopes}

    async def archived() -> dict[str, float] | None:
        found = await scrape(cluster)
        return found if found["halt400_archive_backlog"] == found["halt400_archive_open"] == 0 else None

    metrics = await cluster.until(archived)
    assert f"halt400.worker: Recovery begun: 4 partitions of {cluster.prefix}alerts." in cluster.log_text()
    recovered = r"halt400\.worker: Recovery done in \d+\.\d\d s: \d+ rows? on 4 partitions of "
    assert re.search(recovered + re.escape(f"{cluster.prefix}alerts."), cluster.log_text())
    assert metrics['halt400_alert_deliveries_total{outcome="accepted",sink="out"}'] >= len(pages) + 1
    assert metrics['halt400_incidents_open{acknowledged="no"}'] == len({one.incident for one in sent(cluster)})
    assert metrics["halt400_bad_requests_total"] == 204
    assert metrics["halt400_archive_away_seconds"] == 0
    assert metrics["halt400_archived_total"] > 0
    assert cluster.stop_workers() == [0]
