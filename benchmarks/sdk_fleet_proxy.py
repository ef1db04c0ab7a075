"""One process of `benchmarks.sdk_fleet` behind a mitmproxy of its own: the add-on gates and publishes for it."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

from benchmarks.sdk_fleet_process import Pace, path_of, tell

__all__ = ["mitmdump_path"]

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "halt400" / "integrations" / "mitmproxy" / "script.py"


def mitmdump_path() -> str | None:
    """Where mitmproxy is installed, in an environment of its own: the variable MITMDUMP, or the path."""
    return os.environ.get("MITMDUMP") or shutil.which("mitmdump")


def _started(url: str, directory: str) -> tuple["subprocess.Popen[str]", str]:
    """Start a mitmproxy before the server; return it with its address."""
    settings = [f"confdir={directory}", "flow_detail=0", "halt400_job_id=fleet", "halt400_local_hold=false"]
    command = [str(mitmdump_path()), "-s", str(SCRIPT), "--mode", f"upstream:{url}", "--listen-host", "127.0.0.1"]
    command += ["-p", "0", *(word for setting in settings for word in ("--set", setting))]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        found = re.search(r"listening at (?:http://)?(127\.0\.0\.1:\d+)", line)
        if found:
            # What it writes later is read too: it would stand still once the pipe is full.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process, f"http://{found[1]}"
    raise SystemExit(f"mitmdump has not started: {said}")


async def run(url: str, rounds: int, least: int, rate: float) -> None:
    """Send until each target is refused by the proxy."""
    responses, pace = 0, Pace(rate)
    with tempfile.TemporaryDirectory() as directory, requests.Session() as session:
        process, proxy = _started(url, directory)
        session.trust_env, session.proxies = False, {"http": proxy}
        tell(begun=-1)
        for number in range(rounds):
            sent, sent_at = 0, 0.0
            while True:
                await pace.wait()
                began = time.time()
                response = session.get(f"http://shop-{number}.example/{path_of(sent)}?sent={sent}")
                if response.headers.get("Proxy-Status", "").startswith("halt400"):
                    break
                sent, sent_at = sent + 1, began
                if sent == least:
                    tell(begun=number)
            # The proxy does not tell when it knew.
            tell(refused=number, known_at=time.time(), at=time.time(), sent_at=sent_at)
            responses += sent
        process.terminate()
        process.wait(timeout=60)
    tell(responses=responses)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
