"""How fast page and API are with 10,000 targets under load: ``python -m benchmarks page``.

A worker takes 5,000 events a second over 10,000 targets from a real broker, all on this machine. Meanwhile

fleet
    the page at ``/`` is loaded again and again, each time with what is true then: time, and bytes of HTML;
rates
    ``/v1/targets/{target}/rates`` is asked 200 times a second at fixed times, whether the answers before have come or
    not: time from the moment at which the request was due;
static
    the same is asked of a server that has one answer in memory: what the machine leaves to any server meanwhile;
listeners
    1,000 connections listen to ``/v1/events``; a target is halted: time from the command to its event at each.

The server is a ``halt400 api`` beside the worker; with ``--in-worker`` it is the worker's own.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.outside import StalledError
from benchmarks.page_clients import ask_rates, listen, name_of, publish, serve_static
from halt400.errors import Halt400Error
from streams.local import LocalKafka
from streams.settings import KafkaSettings
from streams.topics import apply_topics

__all__ = ["main"]

PARTITIONS = 4
LIMITS = {
    "fleet_ms": 200.0,
    "fleet_kb": 300.0,
    "rates_p99_ms": 20.0,
    "listeners_p99_ms": 2000.0,
}
LONGEST_START_S = 120.0

console = Console(stderr=True, highlight=False)
_context = multiprocessing.get_context("spawn")


class _Client:
    """A load in a process of its own."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self.pipe, theirs = _context.Pipe()
        self.process = _context.Process(target=work, args=(*arguments, theirs), daemon=True)
        self.process.start()

    def answer(self, timeout_s: float = 180.0) -> Any:
        """What it reports next."""
        if not self.pipe.poll(timeout_s):
            raise StalledError(f"{self.process.name} reported nothing in {timeout_s:g} s.")
        return self.pipe.recv()

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.join()


class _Command:
    """A running command of ours."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.words, self.log = words, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "halt400", *words], env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def text(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str) -> str:
        """Wait until it says `text`, and return what follows on the line."""
        end = time.monotonic() + LONGEST_START_S
        while time.monotonic() < end and self.process.poll() is None:
            _, found, rest = self.text().partition(text)
            if found and "\n" in rest:
                return rest.partition("\n")[0]
            time.sleep(0.1)
        raise StalledError(f"halt400 {' '.join(self.words)} did not say {text!r}:\n{self.text()[-2000:]}")

    def core_s(self) -> tuple[float, float]:
        """For how long its event loop's thread has run on a core, and waited for one, in seconds; 0 but on Linux."""
        try:
            ran_ns, waited_ns, _ = Path(f"/proc/{self.process.pid}/schedstat").read_text().split()
        except OSError:
            return 0.0, 0.0
        return int(ran_ns) / 1e9, int(waited_ns) / 1e9


@contextmanager
def _halt400(words: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[_Command]:
    """Run a command of ours."""
    command = _Command(words, environment, log)
    try:
        yield command
    finally:
        if command.process.poll() is not None:
            console.print(command.text()[-2000:], markup=False)
        command.process.terminate()
        command.process.wait(30)


def _measure(given: argparse.Namespace, servers: str, directory: Path) -> dict[str, Any]:
    asyncio.run(apply_topics(KafkaSettings(bootstrap_servers=servers, partitions=PARTITIONS)))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HALT400_")} | {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": servers,
        "HALT400_KAFKA_PARTITIONS": str(PARTITIONS),
        "HALT400_ARCHIVE_URI": (directory / "archive").as_uri(),
        "HALT400_API_PORT": "0",
        "HALT400_API_REQUESTS_PER_S": "100000",
        "HALT400_API_ENABLED": "true" if given.in_worker else "false",
    }
    clients: list[_Client] = []
    with _halt400(["worker", "--processes", "1"], environment, directory / "worker.log") as worker:
        worker.wait_for("Ready:")
        try:
            if given.in_worker:
                return _load(given, servers, worker, worker.wait_for("The API answers at ").rstrip("."), clients)
            with _halt400(["api"], environment, directory / "api.log") as api:
                return _load(given, servers, api, api.wait_for("page and API at ").partition(",")[0], clients)
        finally:
            for client in clients:
                client.end()


def _load(
    given: argparse.Namespace, servers: str, server: _Command, url: str, clients: list[_Client]
) -> dict[str, Any]:
    def start(work: Callable[..., None], *arguments: Any) -> _Client:
        clients.append(_Client(work, *arguments))
        return clients[-1]

    publisher = start(publish, servers, PARTITIONS, given.targets, given.events_per_s)
    publisher.answer()
    with httpx.Client(base_url=url, timeout=30) as http:
        _until_known(http, given.targets)
        console.print(f"{given.targets:,} targets are known; measuring for {given.seconds:g} s each.")
        report: dict[str, Any] = {"targets": given.targets, "cores": os.cpu_count(), **_fleet(http, given.seconds)}
        ran_s, waited_s = server.core_s()
        rates = start(ask_rates, url, given.targets, given.requests_per_s, given.seconds)
        report |= _spread("rates", rates.answer(given.seconds + 60))
        for name, before, after in zip(("ran", "waited"), (ran_s, waited_s), server.core_s(), strict=True):
            report[f"server_{name}_percent"] = 100 * (after - before) / given.seconds
        static = start(serve_static)
        beside = start(ask_rates, static.answer(), given.targets, given.requests_per_s, given.seconds)
        report |= _spread("static", beside.answer(given.seconds + 60))
        static.end()
        listeners = start(listen, url, given.listeners)
        report["listeners"] = listeners.answer()
        again = start(ask_rates, url, given.targets, given.requests_per_s, given.seconds)
        body = {"kind": "quarantine", "scope": f"target/{name_of(1)}", "reason": "measured", "hold_s": 600}
        halted = http.post("/v1/operations", json=body).raise_for_status().json()["quarantine"]
        delays = [(at - halted["issued_at"]) / 1000 for at in listeners.answer()]
        report |= _spread("listeners", delays) | _spread("rates_with_listeners", again.answer(given.seconds + 60))
    publisher.pipe.send("stop")
    published, elapsed_s = publisher.answer()
    report["published_per_s"] = published / elapsed_s
    report["worker_behind_s"] = _behind_s(url, given.targets)
    return report


def _until_known(http: httpx.Client, targets: int) -> None:
    end = time.monotonic() + LONGEST_START_S
    while time.monotonic() < end:
        answer = http.get("/v1/targets", params={"limit": 1})
        if answer.status_code == 200 and answer.json()["total"] >= targets:
            return
        time.sleep(0.2)
    raise StalledError(f"The API does not know {targets:,} targets after {LONGEST_START_S:g} s.")


def _fleet(http: httpx.Client, seconds: float) -> dict[str, Any]:
    took, size, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        answer = http.get("/").raise_for_status()
        took.append(time.monotonic() - began)
        size = max(size, len(answer.content))
        time.sleep(0.2)
    found = _spread("fleet", took)
    return {**found, "fleet_ms": found["fleet_p99_ms"], "fleet_kb": size / 1024}


def _behind_s(url: str, targets: int) -> float:
    """How long after the last event was published counts still changed."""
    query = f"{url}/v1/targets?limit=1&search={name_of(targets - 1)}"
    began, before = time.monotonic(), httpx.get(query).json()["targets"][0]["totals"]
    unchanged_s = time.monotonic()
    while time.monotonic() - unchanged_s < 3 and time.monotonic() - began < LONGEST_START_S:
        totals = httpx.get(query).json()["targets"][0]["totals"]
        if totals != before:
            before, unchanged_s = totals, time.monotonic()
        time.sleep(0.2)
    return unchanged_s - began


def _spread(name: str, took_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_s)
    return {
        f"{name}_p50_ms": 1000 * statistics.median(ordered),
        f"{name}_p99_ms": 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        f"{name}_max_ms": 1000 * ordered[-1],
    }


def _print(report: dict[str, Any], given: argparse.Namespace) -> None:
    where = "the worker's own server" if given.in_worker else "halt400 api beside the worker"
    table = Table(title=f"{report['targets']:,} targets, {report['published_per_s']:,.0f} events/s, {where}")
    for column in ("", "p50", "p99", "max", "at most"):
        table.add_column(column, justify="left" if not column else "right")
    for title, name, most in (
        ("fleet page, ms", "fleet", LIMITS["fleet_ms"]),
        (f"rates at {given.requests_per_s}/s, ms", "rates", LIMITS["rates_p99_ms"]),
        ("the same of a static answer, ms", "static", None),
        (f"the same with {report['listeners']:,} listeners, ms", "rates_with_listeners", None),
        ("a command at each listener, ms", "listeners", LIMITS["listeners_p99_ms"]),
    ):
        figures = (f"{report[f'{name}_{part}_ms']:.1f}" for part in ("p50", "p99", "max"))
        table.add_row(title, *figures, "" if most is None else f"{most:g}")
    table.add_row("fleet page, KB", "", "", f"{report['fleet_kb']:.0f}", f"{LIMITS['fleet_kb']:g}")
    for title, name in (("runs", "ran"), ("waits for a core", "waited")):
        table.add_row(f"the server {title}, % of that time", "", "", f"{report[f'server_{name}_percent']:.0f}", "")
    table.add_row("worker behind at the end, s", "", "", f"{report['worker_behind_s']:.1f}", "")
    Console().print(table)


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 when every figure is within its limit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks page", description=__doc__.partition("\n")[0])
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--events-per-s", type=int, default=5_000)
    parser.add_argument("--requests-per-s", type=int, default=200)
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each part is measured")
    parser.add_argument("--in-worker", action="store_true", help="measure the server of the worker process")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    cluster = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    try:
        with tempfile.TemporaryDirectory(prefix="halt400-bench-") as directory:
            if cluster:
                report = _measure(given, cluster, Path(directory))
            else:
                with LocalKafka() as local:
                    report = _measure(given, local.bootstrap_servers, Path(directory))
    except (Halt400Error, StalledError, httpx.HTTPError) as error:
        console.print(f"page: {error}", style="bold red", markup=False)
        return 1
    report["passed"] = all(report[name] <= most for name, most in LIMITS.items())
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report, given)
    return 0 if report["passed"] else 1
