"""What it costs to ask the gate and to publish: ``python -m benchmarks gate [--json]``. No Kafka is needed."""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from halt400.events import response_event
from halt400.gate import Gate
from halt400.publisher import Publisher
from halt400.records import Command, Scope

ROUNDS = 9
CALLS = 200_000
NOWHERE = "127.0.0.1:9"
TARGETS = 1000


def main(arguments: list[str]) -> int:
    """Measure, print, and check that an open gate answers within a microsecond."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gate", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    options = parser.parse_args(arguments)
    figures = asyncio.run(_measure(CALLS // 10 if options.quick else CALLS))
    figures["import halt400, ms"] = _import_ms("import halt400")
    figures["import halt400.Publisher and Gate, ms"] = _import_ms("from halt400 import Publisher, Gate")
    if options.json:
        print(json.dumps(figures))
    else:
        for name, (median, low, high) in figures.items():
            print(f"{name:<58} {median:8.3f}   ({low:.3f} to {high:.3f})")
    return 0 if figures["check, nothing halted on the target, us"][0] < 1 else 1


async def _measure(calls: int) -> dict[str, tuple[float, float, float]]:
    gate, publisher = Gate(NOWHERE), Publisher(NOWHERE, buffer_bytes=1 << 40)
    commands = [_command(number) for number in range(TARGETS)]
    gate._learn({issued.scope.id.encode(): msgspec.json.encode(issued) for issued in commands})
    good = response_event(
        method="GET",
        url="https://api.shop.example/v2/products?page=1",
        status=200,
        job_id="extract-099",
        request_headers=[("Host", "api.shop.example"), ("Accept", "*/*"), ("User-Agent", "scraper/2.4")],
    )
    bad = response_event(
        method="POST",
        url="https://api.shop.example/graphql",
        status=400,
        job_id="extract-099",
        request_headers=[("Host", "api.shop.example")],
        request_body='{"query": "{ product }", }' * 20,
        response_body='{"errors": []}',
    )
    return {
        "check, nothing halted on the target, us": _each_us(lambda: gate.check("other.example", "job"), calls),
        "check, another job halted on the target, us": _each_us(lambda: gate.check("target-7", "other"), calls),
        "check, another job halted, with a fingerprint, us": _each_us(
            lambda: gate.check("target-7", "other", "f00d"), calls
        ),
        "check, this job halted, us": _each_us(lambda: gate.check("target-7", "job-7"), calls),
        "publish a success, us": _each_us(lambda: publisher.publish(good), calls // 10),
        "publish a 400 of 700 bytes, us": _each_us(lambda: publisher.publish(bad), calls // 10),
        "build the event of a success, us": _each_us(
            lambda: response_event(method="GET", url="https://a.example/x?y=1", status=200, job_id="j"), calls // 10
        ),
    }


def _command(number: int) -> Command:
    return Command(
        command_id=f"cmd-{number}",
        scope=Scope(kind="job", target=f"target-{number}", job_id=f"job-{number}"),
        sequence=1,
        state="quarantined",
        reason="400 Bad Request",
        issued_by="benchmark",
        opened_at=0,
        issued_at=0,
        expires_at=4_000_000_000_000,
    )


def _each_us(work: Callable[[], object], calls: int) -> tuple[float, float, float]:
    """Median, least and greatest of the rounds; the empty loop's own cost is taken off."""

    def nothing() -> None:
        return None

    rounds = []
    for _ in range(ROUNDS):
        spent = []
        for function in (work, nothing):
            began = time.perf_counter()
            for _ in range(calls):
                function()
            spent.append(time.perf_counter() - began)
        rounds.append((spent[0] - spent[1]) / calls * 1e6)
    return statistics.median(rounds), min(rounds), max(rounds)


def _import_ms(statement: str) -> tuple[float, float, float]:
    code = f"import time\nbegan = time.perf_counter()\n{statement}\nprint((time.perf_counter() - began) * 1000)"
    rounds = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(ROUNDS)]
    return statistics.median(rounds), min(rounds), max(rounds)
