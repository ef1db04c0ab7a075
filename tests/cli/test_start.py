"""Every command starts soon: what only some commands need is loaded by those."""

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "aiokafka", "boto3", "faust", "httpx", "pydantic_settings")


@pytest.mark.slow
def test_the_command_line_loads_no_client_and_no_server_before_a_command_asks() -> None:
    script = f"import sys; from halt400.cli.app import build; build(); print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
