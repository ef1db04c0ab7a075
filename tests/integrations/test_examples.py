"""The examples run as their pages say, on the real broker without a worker: the scraper's own breaker stops them."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.chromium import CHROMIUM, needs_chromium
from tests.integrations.conftest import Halt400Topics

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/scrape.py"))
pytestmark = pytest.mark.broker


MARKS = {"playwright": needs_chromium}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in NAMES])
async def test_an_example_publishes_every_response_and_is_stopped(name: str, halt400_topics: Halt400Topics) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "scrape.py"),
        cwd=EXAMPLES / name,
        env=os.environ | halt400_topics.variables | {"CHROMIUM": CHROMIUM or "", "PYTHONPATH": ".."},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await asyncio.wait_for(process.communicate(), 90))[0].decode()
    assert process.returncode == 0, output
    # A browser loads the shop's page first.
    events = [event for event in await halt400_topics.events() if event.request.method == "POST"]
    statuses = [event.response.status for event in events]
    assert statuses == [200] * 10 + [400] * 5, output
    assert "2.4.0: request 6 is not sent" in output
    assert "Traceback" not in output
