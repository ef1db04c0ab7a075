"""Runs `halt400 what-if` in a process of its own: the work of seconds must not delay this one."""

import asyncio
import os
import sys
from contextlib import suppress

import msgspec

from halt400.errors import InvalidRecord
from halt400.kafka.connection import KafkaConnection
from streams.api.problems import raise_problem
from streams.replay.what_if import Changes, WhatIf

__all__ = ["LONGEST_S", "run_what_if"]

LONGEST_S = 60.0
_lock = asyncio.Lock()


async def run_what_if(kafka: KafkaConnection, partitions: int, target: str, changes: Changes, hours: int) -> WhatIf:
    """Process the target's recent responses by the rule in force and by a changed one.

    One at a time in this process; a second request is told to come back.
    """
    if _lock.locked():
        raise_problem(
            429,
            "busy",
            "Another what-if is being processed.",
            "Try again in a moment.",
            headers={"Retry-After": "5"},
        )
    async with _lock:
        place = {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
            "HALT400_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
            "HALT400_KAFKA_PARTITIONS": str(partitions),
        }
        return await _run(["--hours", str(hours), *_options(changes), "--", target], os.environ | place)


def _options(changes: Changes) -> list[str]:
    given = (
        ("--policy", changes.policy),
        ("--job-tier", changes.job_tier),
        ("--hold", None if changes.hold_s is None else f"{changes.hold_s}s"),
        ("--least-p0", None if changes.least_p0 is None else f"{changes.least_p0:f}"),
    )
    return [text for name, value in given if value is not None for text in (name, value)]


async def _run(arguments: list[str], environment: dict[str, str]) -> WhatIf:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "halt400", "what-if", "--format", "json", *arguments),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            output, errors = await process.communicate()
    except TimeoutError:
        raise_problem(
            503,
            "busy",
            f"The responses were not processed within {LONGEST_S:g} s.",
            "Ask for fewer hours, or run `halt400 what-if` elsewhere.",
            headers={"Retry-After": "60"},
        )
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if process.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise_problem(503, "broker_unavailable", lines[-1][:500], headers={"Retry-After": "5"})
    try:
        return msgspec.json.decode(output, type=WhatIf)
    except msgspec.MsgspecError as error:
        raise InvalidRecord(f"halt400 what-if printed no answer ({error}).") from error
