"""The logs, the live screen and watching: what a terminal of 80 columns shows, and how Ctrl-C ends it."""

import asyncio
import fcntl
import itertools
import json
import os
import pty
import re
import signal
import struct
import sys
import termios

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from rich.cells import cell_len

from streams.detection import Finding
from streams.settings import Settings
from tests.api.conftest import Api, api, settings  # noqa: F401
from tests.api.fleet import SECRET
from tests.waiting import until

from .command import REPOSITORY, Outcome, environment, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(api: Api, *arguments: str, **variables: str) -> Outcome:  # noqa: F811
    return await run(*arguments, HALT400_API_PORT=str(api.server.port), **variables)


async def test_the_latest_offences_are_listed_with_their_cause_and_without_secrets(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "offences", "--cause", "malformed_json")
    assert outcome.code == 0, outcome.err
    assert outcome.lines[-1].startswith("2 offences; as of 05:48:")
    row = next(line for line in outcome.lines if "/1.har" in line)
    for text in ("api.shop.example", "extract-099", "POST /v2/search?api_key=", "malformed_json", "2025.12.1"):
        assert text in row
    assert SECRET not in outcome.out
    answer = json.loads((await ask(api, "offences", "--format", "json")).out)
    assert len(answer["offences"]) == 3
    assert (await ask(api, "offences", "--cause", "nope")).code == 2


async def test_the_latest_findings_are_listed(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "findings", "--severity", "page")
    assert outcome.code == 0, outcome.err
    assert outcome.lines[-1].startswith("1 finding; as of")
    assert "Many targets fail." in outcome.out


@pytest.mark.parametrize("by_tail", [False, True])
async def test_findings_that_come_are_followed_each_as_one_line(
    by_tail: bool,
    api: Api,  # noqa: F811
    settings: Settings,  # noqa: F811
) -> None:
    variables = environment(HALT400_API_PORT=str(api.server.port))
    arguments = ("tail", "--findings") if by_tail else ("findings", "--follow", "--format", "json")
    command = (sys.executable, "-m", "halt400", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, env=variables, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = asyncio.create_task(process.stdout.readline())
    async with asyncio.timeout(60), AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        for number in itertools.count():
            found = Finding(
                finding_id=f"fnd-followed-{number}",
                kind="retry_loop",
                severity="ticket",
                at_ms=1,
                summary="\x1b[31mred",
            )
            await producer.send_and_wait(settings.kafka.topic("findings"), msgspec.json.encode(found), b"fleet")
            done, _ = await asyncio.wait([line], timeout=1.0)
            if done:
                break
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    if by_tail:
        assert line.result().endswith(rb"ticket retry_loop       (fleet)  \x1b[31mred" + b"\n")
    else:
        assert json.loads(line.result())["finding_id"].startswith("fnd-followed-")
    assert b"\x1b" not in line.result()
    assert (process.returncode, err) == (0, b"")


async def test_top_in_a_pipe_is_one_picture_that_fits_80_columns(api: Api) -> None:  # noqa: F811
    outcome = await ask(api, "top", COLUMNS="80", LINES="24")
    assert outcome.code == 0, outcome.err
    assert [line for line in outcome.lines if cell_len(line) > 80] == []
    assert outcome.lines[0].startswith("Halt400  6 targets, 4 halted  as of")
    worst = next(line for line in outcome.lines if line.startswith("api.shop.example "))
    assert worst.split()[1:4] == ["100", "10", "10.00%"]
    assert "5,015" in outcome.out


async def test_top_is_live_and_ctrl_c_leaves_the_terminal_as_it_was(api: Api) -> None:  # noqa: F811
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = environment(HALT400_API_PORT=str(api.server.port), TERM="xterm")
    command = (sys.executable, "-m", "halt400", "top", "--every", "0.2")
    process = await asyncio.create_subprocess_exec(
        *command, env=variables, cwd=REPOSITORY, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = bytearray()

    def read() -> None:
        try:
            shown.extend(os.read(master, 65536))
        except OSError:
            asyncio.get_running_loop().remove_reader(master)

    asyncio.get_running_loop().add_reader(master, read)
    try:
        await until(lambda: shown.count(b"as of") >= 3, hopeless=lambda: process.returncode is not None)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        await until(lambda: b"\x1b[?1049l" in shown)
    finally:
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
    text = shown.decode()
    assert text.index("\x1b[?1049h") < text.index("api.shop.example") < text.rindex("\x1b[?1049l")
    assert "Traceback" not in text
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace("\x1b[H", "\n")).replace("\r", "\n").split("\n")
    assert [line for line in lines if cell_len(line.rstrip()) > 80] == []


async def test_a_watched_answer_is_shown_again_until_it_is_interrupted(api: Api) -> None:  # noqa: F811
    variables = environment(HALT400_API_PORT=str(api.server.port))
    command = (sys.executable, "-m", "halt400", "quarantines", "--watch", "0.2")
    process = await asyncio.create_subprocess_exec(
        *command, env=variables, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    heads = 0
    async with asyncio.timeout(60):
        while heads < 2:
            heads += (await process.stdout.readline()).startswith(b"Target")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
