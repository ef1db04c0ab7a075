"""``halt400 local`` in a terminal: what it prints works as settings, Ctrl-C ends it, errors are one line."""

import asyncio
import signal
import socket

import boto3
import pytest
from botocore.config import Config

from streams.local.ports import HOST, is_free
from tests.cli.command import environment, run, start


@pytest.mark.s3
async def test_the_printed_settings_reach_the_s3_server_and_ctrl_c_ends_it() -> None:
    process = await start("local", "s3", "--port", "0", "--bucket", "evidence", variables=environment())
    assert process.stdout is not None
    async with asyncio.timeout(60):
        lines = [(await process.stdout.readline()).decode().strip() for _ in range(4)]
    settings = dict(line.removeprefix("HALT400_ARCHIVE_").split("=", 1) for line in lines)
    client = boto3.client(
        "s3",
        endpoint_url=settings["ENDPOINT_URL"],
        region_name=settings["REGION"],
        aws_access_key_id=settings["ACCESS_KEY_ID"],
        aws_secret_access_key=settings["SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4"),
    )
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["evidence"]
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert errors.decode().splitlines()[-1] == "Stopped."
    assert is_free(int(settings["ENDPOINT_URL"].rpartition(":")[2]))


@pytest.mark.slow
@pytest.mark.parametrize("server", ["kafka", "s3"])
async def test_a_port_in_use_is_one_line_and_exit_code_1(server: str) -> None:
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        outcome = await run("local", server, "--port", str(port))
    assert outcome.code == 1
    assert outcome.out == ""
    [line] = outcome.err.splitlines()
    assert f"Port {port} on 127.0.0.1 is in use" in line
    assert "--port" in line


@pytest.mark.slow
async def test_an_interrupt_ends_a_run_in_the_background_of_a_shell() -> None:
    """A shell starts those with SIGINT ignored."""
    with socket.create_server((HOST, 0)) as silent:
        silent.setblocking(False)
        servers = f"{HOST}:{silent.getsockname()[1]}"
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process = await start("run", variables=environment(HALT400_KAFKA_BOOTSTRAP_SERVERS=servers))
        finally:
            signal.signal(signal.SIGINT, before)
        async with asyncio.timeout(60):
            asks, _ = await asyncio.get_running_loop().sock_accept(silent)
            with asks:
                process.send_signal(signal.SIGINT)
                out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "Stopped; nothing is left running."
    assert process.returncode == 0
