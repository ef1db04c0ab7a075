"""A campaign that is stopped leaves no process, no mount and no directory behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.s3]


def test_a_campaign_that_is_stopped_while_it_starts_takes_everything_with_it(tmp_path: Path) -> None:
    (tmp_path / "schedule").write_text("3 poison 0 0\n")
    (directory := tmp_path / "temporary").mkdir()
    command = [sys.executable, "-m", "chaos", "--short", "--schedule", str(tmp_path / "schedule")]
    with subprocess.Popen(
        command, env=os.environ | {"TMPDIR": str(directory)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as campaign:
        # The brokers start beside the S3 server; their directories are in the campaign's own view of the mounts.
        until(lambda: any(directory.glob("halt400-locals3-*/server.log")), "start of S3")
        campaign.send_signal(signal.SIGTERM)
        _, told = campaign.communicate(timeout=60)
    assert (campaign.returncode, told) == (143, b"chaos: SIGTERM: stopping brokers, workers, scrapers and S3\n")
    assert list(directory.iterdir()) == []
    assert str(directory) not in Path("/proc/mounts").read_text()
    until(lambda: str(directory) not in listed_processes(), "end of all processes")


def listed_processes() -> str:
    return subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
