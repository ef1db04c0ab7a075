"""A worker ends in time from the first signal on, whatever does not answer, and its follow-up process with it.

One broker of this module, which is frozen: its sockets stay open, and nothing answers.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from streams.local import LocalKafka
from streams.worker.stop_bound import EXIT_FAILURE
from tests.preloaded import PreloadedProcess
from tests.processes.test_supervised import is_alive
from tests.servers import QUICK_JAVA
from tests.waiting import until
from tests.worker.conftest import Cluster
from tests.worker.test_lifecycle import event

pytestmark = [pytest.mark.broker, pytest.mark.slow]

BOUND_S = 3.0
CUT_OFF = 75


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[LocalKafka]:
    with LocalKafka(heap="384m", java_options=QUICK_JAVA) as broker:
        yield broker


@pytest.fixture
async def stopping(own_kafka: LocalKafka, prefix: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    await until(lambda: time.monotonic() - thawed[-1] > FENCING_S and lists_itself(own_kafka))
    async with Cluster.prepared(own_kafka.bootstrap_servers, prefix, tmp_path) as cluster:
        cluster.environment["HALT400_WORKER_STOP_TIMEOUT_S"] = str(BOUND_S)
        yield cluster


FENCING_S = 4.0
"""After its session of 3 s a frozen broker is fenced, and serves again when the controller has heard of it."""
thawed = [0.0]


def lists_itself(broker: LocalKafka) -> bool:
    """Whether the controller lets the broker serve again, after it was frozen for longer than its session."""
    with suppress(OSError):
        return broker._answers()
    return False


@contextmanager
def frozen(broker: LocalKafka) -> Iterator[None]:
    """Let the broker not answer meanwhile."""
    assert broker.pid is not None
    os.killpg(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(broker.pid, signal.SIGCONT)
        thawed.append(time.monotonic())


def descendants(pid: int) -> set[int]:
    """The processes below one, by their ids."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found: set[int] = {pid}
    while below := {child for child, parent in pairs if parent in found} - found:
        found |= below
    return found - {pid}


class Ended:
    """How a worker ended after a signal, and what was left a second later."""

    def __init__(self, worker: PreloadedProcess, number: int) -> None:
        below, began = descendants(worker.pid), time.monotonic()
        worker.send_signal(number)
        self.code = worker.wait(60)
        self.after_s = time.monotonic() - began
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and any(map(is_alive, below)):
            time.sleep(0.02)
        self.left = {pid for pid in below if is_alive(pid)}


async def ready(cluster: Cluster, **environment: str) -> PreloadedProcess:
    """A worker both of whose processes have their partitions."""
    worker = cluster.start_worker(**environment)
    log = cluster.logs[-1]
    await cluster.until(lambda: "Ready:" in log.read_text() and "offences 0-3) assigned" in log.read_text())
    return worker


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.settimeout(60)
        yield server


async def test_a_worker_that_was_without_kafka_for_a_while_stops_in_order(
    own_kafka: LocalKafka, stopping: Cluster
) -> None:
    worker = await ready(stopping, HALT400_WORKER_STOP_TIMEOUT_S="20")
    await asyncio.to_thread(own_kafka.kill)
    await asyncio.to_thread(own_kafka.start)
    ended = Ended(worker, signal.SIGTERM)
    assert (ended.code, ended.left) == (0, set()), stopping.log_text()
    assert "SIGTERM: stopping, within 20 s whatever does not answer; a second signal ends it at once." in (
        stopping.log_text()
    )


async def test_a_worker_without_kafka_ends_within_the_bound_and_its_log_says_so(
    own_kafka: LocalKafka, stopping: Cluster
) -> None:
    worker = await ready(stopping)
    with frozen(own_kafka):
        ended = Ended(worker, signal.SIGINT)
    assert (ended.code, ended.left) == (CUT_OFF, set()), stopping.log_text()
    assert ended.after_s < BOUND_S + 1.0
    assert "Not stopped within 3 s: ended. Nothing is lost" in stopping.log_text()


async def test_a_second_signal_ends_a_worker_at_once(own_kafka: LocalKafka, stopping: Cluster) -> None:
    worker = await ready(stopping, HALT400_WORKER_STOP_TIMEOUT_S="60")
    with frozen(own_kafka):
        worker.send_signal(signal.SIGINT)
        await stopping.until(lambda: "SIGINT: stopping" in stopping.log_text())
        ended = Ended(worker, signal.SIGTERM)
    assert (ended.code, ended.left) == (143, set()), stopping.log_text()
    assert ended.after_s < 2.0


async def test_the_follow_up_process_of_a_killed_worker_ends_within_a_second(
    own_kafka: LocalKafka, stopping: Cluster
) -> None:
    worker = await ready(stopping, HALT400_WORKER_STOP_TIMEOUT_S="60")
    with frozen(own_kafka):
        ended = Ended(worker, signal.SIGKILL)
    assert (ended.code, ended.left) == (-signal.SIGKILL, set())


async def test_a_worker_that_waits_for_kafka_to_start_stops_at_once(own_kafka: LocalKafka, stopping: Cluster) -> None:
    with frozen(own_kafka):
        worker = stopping.start_worker()
        await stopping.until(lambda: takes_signals(worker.pid))
        ended = Ended(worker, signal.SIGTERM)
    assert ended.code == 0, stopping.log_text()
    assert ended.after_s < 2.0
    assert "Stopped before it had started." in stopping.log_text()


async def test_workers_stop_in_the_middle_of_a_rebalance_and_of_a_recovery(stopping: Cluster) -> None:
    await ready(stopping)
    for moment in ("Rebalance begun", "Recovery begun"):
        stopping.start_worker("--role", "detect")
        await stopping.until(lambda moment=moment: moment in stopping.logs[-1].read_text())
    for worker in reversed(stopping.workers):
        ended = Ended(worker, signal.SIGTERM)
        assert (ended.code in (0, CUT_OFF), ended.left) == (True, set()), stopping.log_text()
        assert ended.after_s < BOUND_S + 1.0


async def test_a_pager_that_does_not_answer_does_not_keep_a_worker(stopping: Cluster) -> None:
    with silent_server() as server:
        stopping.write_policies(
            f'[alerts.sink.away]\nkind = "alertmanager"\nurl = "http://127.0.0.1:{server.getsockname()[1]}"\n'
            '[[alerts.route]]\nname = "all"\nsinks = ["away"]\ngroup_wait_s = 0\npage_on = ["job"]\n'
        )
        worker = stopping.start_worker()
        await stopping.publish([event(400)])
        connection, _ = await asyncio.to_thread(server.accept)
        with connection:
            ended = Ended(worker, signal.SIGTERM)
    assert (ended.code in (0, CUT_OFF), ended.left) == (True, set()), stopping.log_text()
    assert ended.after_s < BOUND_S + 1.0


async def test_an_archive_that_does_not_answer_does_not_keep_a_worker(stopping: Cluster) -> None:
    with silent_server() as server:
        worker = stopping.start_worker(
            "--role",
            "follow-up",
            HALT400_ARCHIVE_URI="s3://evidence/here",
            HALT400_ARCHIVE_ENDPOINT_URL=f"http://127.0.0.1:{server.getsockname()[1]}",
            HALT400_ARCHIVE_ACCESS_KEY_ID="key",
            HALT400_ARCHIVE_SECRET_ACCESS_KEY="secret",
        )
        connection, _ = await asyncio.to_thread(server.accept)
        with connection:
            ended = Ended(worker, signal.SIGTERM)
    assert ended.code == 0, stopping.log_text()
    assert ended.after_s < BOUND_S + 1.0


NAME_SERVER = "127.0.0.99"


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[tuple[socket.socket, list[str]]]:
    """A name server that never answers, and a command under which another one has no other."""
    (tmp_path / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\noptions timeout:30 attempts:5\n")
    mount = f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((NAME_SERVER, 53))
            subprocess.run(["unshare", "--mount", "sh", "-c", mount], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a name server of its own needs the rights of root on Linux: {error}")
        server.settimeout(60)
        yield server, ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]


def start_under(under: list[str], role: str, environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    command = [*under, sys.executable, "-m", "halt400", "worker", "--processes", "1", "--role", role]
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


@pytest.mark.parametrize(
    ("role", "away", "codes"),
    [
        ("detect", {"HALT400_KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092"}, {0}),
        (
            "follow-up",
            {
                "HALT400_ARCHIVE_URI": "s3://evidence/here",
                "HALT400_ARCHIVE_ENDPOINT_URL": "http://s3.example:9000",
                "HALT400_ARCHIVE_ACCESS_KEY_ID": "key",
                "HALT400_ARCHIVE_SECRET_ACCESS_KEY": "secret",
            },
            {0, CUT_OFF},
        ),
    ],
    ids=["kafka", "s3"],
)
async def test_a_name_server_that_does_not_answer_does_not_keep_a_worker(
    stopping: Cluster,
    name_server: tuple[socket.socket, list[str]],
    role: str,
    away: dict[str, str],
    codes: set[int],
    tmp_path: Path,
) -> None:
    server, under = name_server
    worker = start_under(under, role, stopping.environment | away, tmp_path / "log")
    asked, _ = await asyncio.to_thread(server.recvfrom, 512)
    assert b"example" in asked
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) in codes, (tmp_path / "log").read_text()
    assert time.monotonic() - began < BOUND_S + 1.0, (tmp_path / "log").read_text()


STUCK = """
import sys, threading, time
from streams.worker.stop_bound import StopBound, exit_process
threading.Thread(target=time.sleep, args=(600,)).start()  # as one that asks a name server
bound, stopped = StopBound(60 if sys.argv[1] == "fails" else 0.5, failure_timeout_s=0.5), threading.Event()
bound.stop_by(stopped.set if sys.argv[1] == "orderly" else lambda: None)
bound.install()
print("ready", flush=True)
if sys.argv[1] == "fails":
    bound.begin_failing()
stopped.wait()
exit_process(0)
"""


@pytest.mark.parametrize(("way", "code"), [("orderly", 0), ("never", CUT_OFF)])
def test_a_thread_that_never_ends_does_not_keep_the_process(way: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK, way], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(5.0) == code


def test_a_worker_that_failed_and_does_not_stop_ends_sooner_than_one_that_was_told_to() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK, "fails"], stdout=subprocess.PIPE) as process:
        assert process.wait(5.0) == EXIT_FAILURE


def test_a_log_that_nobody_reads_does_not_keep_the_process() -> None:
    fill = STUCK.replace("bound.install()", "bound.install(); import logging; logging.basicConfig(level=20)")
    fill = fill.replace(
        "stopped.wait()", "threading.Thread(target=sys.stderr.write, args=('x' * 1_000_000,)).start()\nstopped.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", fill, "never"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(5.0) == CUT_OFF


def takes_signals(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    listed = subprocess.run(["ps", "-o", "caught=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(int(listed.strip() or "0", 16) >> (signal.SIGTERM - 1) & 1)
