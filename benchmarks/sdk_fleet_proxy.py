"""One process of `benchmarks.sdk_fleet` behind a mitmproxy of its own: the add-on gates and publishes for it."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import requests

from benchmarks.sdk_fleet_process import MOST_TOLD, Pace, end_with_parent, path_of, tell
from streams.processes import SupervisedProcess

__all__ = ["mitmdump_path"]

REPOSITORY = Path(__file__).parents[1]
START_S = 90.0
SCRIPT = REPOSITORY / "halt400" / "integrations" / "mitmproxy" / "script.py"


def mitmdump_path() -> str | None:
    """Where mitmproxy is installed, in an environment of its own: the variable MITMDUMP, or the path."""
    return os.environ.get("MITMDUMP") or shutil.which("mitmdump")


def _started(url: str, directory: Path) -> tuple[SupervisedProcess, str]:
    """Start a mitmproxy before the server, which ends when this process ends; return it with its address."""
    settings = [f"confdir={directory}", "flow_detail=0", "halt400_job_id=fleet", "halt400_local_hold=false"]
    command = [str(mitmdump_path()), "-s", str(SCRIPT), "--mode", f"upstream:{url}", "--listen-host", "127.0.0.1"]
    command += ["-p", "0", *(word for setting in settings for word in ("--set", setting))]
    os.environ |= {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    process = SupervisedProcess(command, directory / "mitmdump.log", remove=directory)
    deadline = time.monotonic() + START_S
    while process.running and time.monotonic() < deadline:
        said = process.log_tail()
        if found := re.search(r"listening at (?:http://)?(127\.0\.0\.1:\d+)", said):
            return process, f"http://{found[1]}"
        time.sleep(0.1)
    raise SystemExit(f"mitmdump has not started: {process.log_tail()}")


async def _send_until_refused(session: requests.Session, number: int, least: int, pace: Pace) -> int:
    """Send to one target until the proxy refuses; return how many requests were answered."""
    sent, begun_at = 0, deque[float](maxlen=MOST_TOLD)
    while True:
        await pace.wait()
        begun_at.append(time.time())
        response = session.get(f"http://shop-{number}.example/{path_of(sent)}?sent={sent}")
        if response.headers.get("Proxy-Status", "").startswith("halt400"):
            # The proxy does not tell when it knew.
            tell(refused=number, known_at=time.time(), at=time.time(), begun_at=list(begun_at))
            return sent
        sent += 1
        if sent == least:
            tell(begun=number)


async def run(url: str, rounds: int, least: int, rate: float) -> None:
    """Send until each target is refused by the proxy."""
    responses, pace = 0, Pace(rate)
    with tempfile.TemporaryDirectory() as directory:
        process, proxy = _started(url, Path(directory))
        tell(begun=-1)
        for number in range(rounds):
            # A connection of its own for each target: before another proxy mitmproxy keeps one connection for each
            # target of a client's connection, and waits for ever to open the sixth.
            with requests.Session() as session:
                session.trust_env, session.proxies = False, {"http": proxy}
                responses += await _send_until_refused(session, number, least, pace)
        process.stop()
    tell(responses=responses)


if __name__ == "__main__":
    end_with_parent()
    asyncio.run(run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
