"""Runs Schemathesis on a running server."""

import asyncio
import sys
from pathlib import Path

import pytest

__all__ = ["NEED_A_WORKER", "check_api"]

NEED_A_WORKER = ("operate", "what_if")
"""Operations of the API that are carried out by a worker, or by a process that is started for them."""


async def check_api(url: str, directory: Path, *arguments: str) -> None:
    """Fail with what Schemathesis finds; the event stream, which never ends, is left out."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--exclude-operation-id", "events", "--warnings", "off", "--seed", "400", "--continue-on-failure",
        "--suppress-health-check", "all", "--request-timeout", "60",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--workers", "2", *arguments,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        pytest.fail(output.decode()[-6000:])
