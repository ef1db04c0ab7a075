"""A worker with several processes: what it starts, what it mends, when it gives up, and how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.events import generate
from halt400.errors import SettingError
from streams.settings import load_settings
from streams.worker import restarts
from streams.worker.group_metrics import LABEL, GroupMetrics, MetricsSocket
from streams.worker.group_place import GroupPlace
from streams.worker.machine import process_count, usable_cores, usable_memory_bytes
from streams.worker.process_group import ProcessGroup
from streams.worker.restarts import GaveUp, Restart, Restarts
from streams.worker.stop_bound import StopBound
from tests.worker.conftest import Cluster, counts, totals
from tests.worker.test_stop import Ended, descendants


def test_a_crash_is_mended_later_each_time_and_the_fifth_in_a_row_ends_the_worker() -> None:
    found = Restarts()
    assert [found.ended(70, 2.0) for _ in range(5)] == [
        Restart(0.0, 1),
        Restart(1.0, 2),
        Restart(4.0, 3),
        Restart(15.0, 4),
        GaveUp(False, 5),
    ]


def test_a_process_that_ran_for_a_while_counts_anew_and_one_that_never_started_is_not_tried_again() -> None:
    found = Restarts()
    assert [found.ended(247, lived_s) for lived_s in (2.0, 2.0, 90.0, 2.0)] == [
        Restart(0.0, 1),
        Restart(1.0, 2),
        Restart(0.0, 1),
        Restart(1.0, 2),
    ]
    assert isinstance(found.ended(1, 2.0), Restart)
    assert Restarts().ended(1, 2.0) == GaveUp(True, 1)


def test_the_limits_of_a_container_bound_what_is_used(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    unbound = usable_cores(tmp_path)
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("268435456\n")
    assert (unbound >= 1, usable_cores(tmp_path), usable_memory_bytes(tmp_path)) == (True, 1, 268435456)


def test_there_are_no_more_processes_than_partitions() -> None:
    assert process_count(load_settings(kafka={"partitions": 1})) == 1
    with pytest.raises(SettingError, match=r"HALT400_WORKER_PROCESSES=3: there are 2 partitions"):
        process_count(load_settings(kafka={"partitions": 2}, worker={"processes": 3}))


async def test_one_page_has_the_metrics_of_every_process(tmp_path: Path) -> None:
    places = [GroupPlace(tmp_path / name) for name in ("detect-1", "detect-2", "api")]
    answering = [MetricsSocket(place) for place in places[:2]]
    for server in answering:
        await server.start()
    try:
        found = {family.name: family for family in GroupMetrics(places).registry.collect()}
    finally:
        for server in answering:
            await server.stop()
    of = {name: {sample.labels[LABEL] for sample in found[name].samples} for name in found}
    assert of["halt400_events"] == {"detect-1", "detect-2"}
    assert of["process_cpu_seconds"] == {"detect-1", "detect-2", "worker"}


def test_what_crashes_again_and_again_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "PAUSES_S", (0.01,))
    scripts = {"detect-1": "import os; os._exit(9)", "detect-2": "import time; time.sleep(600)"}
    group = ProcessGroup(
        [GroupPlace(tmp_path / "run" / name) for name in scripts],
        StopBound(30.0),
        5.0,
        lambda place: [sys.executable, "-c", scripts[place.name]],
    )
    assert group.run() == 70
    assert not [line for line in command_lines(descendants(os.getpid())).values() if "time.sleep(600)" in line]


GROUP = r'''
import sys
from pathlib import Path
from streams.worker.group_place import GroupPlace
from streams.worker.process_group import ProcessGroup
from streams.worker.stop_bound import StopBound
bound = StopBound(60.0)
bound.install()
places = [GroupPlace(Path(sys.argv[1]) / name) for name in ("detect-1", "detect-2")]
stubborn = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"asked to stop\\n"))
os.write(1, b"up\\n")
time.sleep(600)
"""
sys.exit(ProcessGroup(places, bound, 60.0, lambda place: [sys.executable, "-c", stubborn]).run())
'''
"""A worker whose processes do not stop when they are asked to."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "last", "code"),
    [(None, signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, signal.SIGTERM, 128 + signal.SIGTERM)],
)
def test_no_process_outlives_the_worker(tmp_path: Path, first: int | None, last: int, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", GROUP, str(tmp_path / "run")], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert [worker.stdout.readline() for _ in range(2)] == [b"up\n", b"up\n"]
        if first is not None:
            worker.send_signal(first)
            assert [worker.stdout.readline() for _ in range(2)] == [b"asked to stop\n"] * 2
        ended = Ended(worker, last)
    assert (ended.code, ended.left) == (code, set())
    assert ended.after_s < 2.0


async def check_ports(cluster: Cluster, targets: set[str]) -> None:
    """One port has the metrics of all processes, one the API for every target, whichever process has it."""
    log = cluster.log_text()
    metrics = re.search(r"Metrics at (\S+)/metrics\.", log)
    assert metrics is not None
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"{metrics[1]}/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(page)}
        ready = {sample.labels[LABEL] for sample in families["halt400_ready"].samples if sample.value}
        # A process of each, and the first detect process began anew.
        assert ready >= {"detect-2", "follow-up"}
        listed = (await client.get(f"{cluster.api_url()}/v1/targets", params={"limit": 500})).json()["targets"]
        assert {found["target"] for found in listed} == targets


def process_at(worker: int, name: str) -> int:
    """The process of a place, not the one between it and the worker."""
    lines = command_lines(descendants(worker))
    (found,) = (pid for pid, line in lines.items() if line[-2].endswith(f"/{name}") and "-S" not in line)
    return found


def command_lines(pids: Iterable[int]) -> dict[int, list[str]]:
    """Program and arguments, with an empty one behind them, of the processes that have not ended."""
    found = {}
    for pid in pids:
        with suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return found


@pytest.mark.broker
async def test_two_processes_count_exactly_while_one_is_killed_and_end_together(cluster: Cluster) -> None:
    events = list(
        generate(20_000, targets=60, bad_request_ratio=0.005, seed=13, start_ms=int(time.time() * 1000) - 60_000)
    )
    worker = cluster.start_worker("--processes", "2", HALT400_METRICS_PORT="0", HALT400_KAFKA_SESSION_TIMEOUT_S="25")
    await cluster.until(lambda: len(set(re.findall(r"(detect-\d) .*Ready: partitions", cluster.log_text()))) == 2)
    await cluster.publish((event.key, event.value) for event in events[:10_000])
    os.kill(process_at(worker.pid, "detect-1"), signal.SIGKILL)
    await cluster.publish((event.key, event.value) for event in events[10_000:])
    await cluster.until(lambda: "Ready: partitions" in cluster.log_text().partition("was ended by SIGKILL")[2])
    await cluster.until_idle("responses", "offences")
    log = cluster.log_text()
    assert "detect-1 was ended by SIGKILL; it is started again in 0 s (crash 1 in a row)." in log
    assert totals(await cluster.rows()) == counts((event.target, event.status) for event in events)
    await check_ports(cluster, {event.target for event in events})
    ended = Ended(worker, signal.SIGTERM)
    assert (ended.code, ended.left) == (0, set()), cluster.log_text()
    assert "detect-2 halt400.worker: Rebalance" not in log.split("was ended by SIGKILL")[1], log
