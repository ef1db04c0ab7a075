"""The command line as a user has it: a process, its output and its exit code."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.settings import Settings
from tests.preloaded import PreloadedProcess

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `lines` are those of stdout without trailing spaces, and without empty ones."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.out.splitlines() if line.strip()]


def environment(settings: Settings | None = None, **variables: str) -> dict[str, str]:
    """This process's environment without settings of Halt400, with those of an installation and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}
    if settings is not None:
        kept |= {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
            "HALT400_KAFKA_TOPIC_PREFIX": settings.kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(settings.kafka.partitions),
        }
    return kept | {"NO_COLOR": "1", "PYTHONUTF8": "1"} | variables


async def start(*arguments: str, variables: dict[str, str]) -> asyncio.subprocess.Process:
    """Start `halt400` with these arguments."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "halt400",
        *arguments,
        env=variables,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str, settings: Settings | None = None, **variables: str) -> Outcome:
    """Run `halt400` with these arguments to its end."""
    return await run_in(environment(settings, **variables), *arguments)


async def run_in(variables: dict[str, str], *arguments: str) -> Outcome:
    """The same with exactly these variables."""
    return await asyncio.to_thread(_run, arguments, variables)


def _run(arguments: tuple[str, ...], variables: dict[str, str]) -> Outcome:
    with TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = PreloadedProcess(*arguments, environment=variables, out=out, err=err)
        try:
            code = process.wait(60)
        finally:
            process.kill()
        outcome = Outcome(code, out.read_bytes().decode(), err.read_bytes().decode())
    assert "Traceback" not in outcome.err
    return outcome
