"""The writer: parallel writes to a slow store, retries while it is unavailable, an error where it refuses for good."""

import asyncio
import sys
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from halt400.errors import ArchiveError
from streams.archive import ArchiveWriter, open_archive
from streams.archive.writer import RETRIES_AT_ONCE, PendingObject
from streams.settings import ArchiveSettings
from tests.archive.scripted_s3 import ScriptedS3
from tests.waiting import until

DEADLINE_S = 30.0


def writer_to(port: int, parallel: int) -> ArchiveWriter:
    settings = ArchiveSettings(
        uri="s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key_id="a",
        secret_access_key=SecretStr("b"),
        parallel_uploads=parallel,
    )
    return ArchiveWriter(open_archive(settings), parallel=parallel)


def some(count: int) -> list[PendingObject]:
    return [(f"t/d/{number}.har", partial(b"%d".__mod__, number)) for number in range(count)]


@pytest.mark.slow
async def test_a_slow_store_is_written_in_parallel() -> None:
    script = str(Path(__file__).parent / "slow_store.py")
    store = await asyncio.create_subprocess_exec(
        sys.executable, script, "2", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert store.stdin is not None
        assert store.stdout is not None
        port = int(await store.stdout.readline())
        writer = writer_to(port, 320)
        start = time.monotonic()
        await writer.write(some(640))
        spent = time.monotonic() - start
        await writer.stop()
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/")
    finally:
        store.kill()
        await store.wait()
    stored, most = map(int, answer.text.split())
    assert stored == writer.written == 640
    assert most <= 320
    # One after another would be one in two seconds; `python -m benchmarks outage` asks for a hundred a second.
    assert 640 / spent >= 25, spent


@pytest.mark.slow
async def test_writes_to_an_unavailable_store_are_retried_and_nothing_is_lost(scripted_s3: ScriptedS3) -> None:
    scripted_s3.answers = [503, 500] * 2
    writer = writer_to(scripted_s3.server_port, 4)
    await writer.start()
    scripted_s3.answers = [503, 500] * 8
    writing = asyncio.create_task(writer.write(some(4)))
    reasons = await until(lambda: [writer.unavailable_reason] if writer.unavailable_since is not None else [])
    assert reasons[0] is not None
    async with asyncio.timeout(DEADLINE_S):
        await writing
    assert sorted(scripted_s3.stored.values()) == [b"0", b"1", b"2", b"3"]
    assert writer.unavailable_since is None
    assert writer.unavailable_reason is None
    await writer.stop()


async def test_an_upload_that_was_cut_on_its_way_is_sent_again(scripted_s3: ScriptedS3) -> None:
    scripted_s3.answers, scripted_s3.code = [400], "IncompleteBody"
    writer = writer_to(scripted_s3.server_port, 1)
    async with asyncio.timeout(DEADLINE_S):
        await writer.write(some(1))
    assert list(scripted_s3.stored.values()) == [b"0"]
    await writer.stop()


@pytest.mark.slow
async def test_while_a_store_is_unavailable_only_a_few_uploads_are_tried_at_once(scripted_s3: ScriptedS3) -> None:
    scripted_s3.answers = [503] * 100_000
    scripted_s3.delay_s = 0.5
    writer = writer_to(scripted_s3.server_port, 64)
    writing = asyncio.create_task(writer.write(some(300)))
    await until(lambda: writer.unavailable_since is not None)

    async def is_calm() -> bool:
        """Whether the next requests are few at a time; boto3 itself retries those that were under way."""
        scripted_s3.most_at_once, before = 0, len(scripted_s3.answers)
        await until(lambda: before - len(scripted_s3.answers) >= 12)
        return scripted_s3.most_at_once <= RETRIES_AT_ONCE

    async with asyncio.timeout(DEADLINE_S):
        while not await is_calm():
            pass
    scripted_s3.answers, scripted_s3.delay_s = [], 0.0
    async with asyncio.timeout(DEADLINE_S):
        await writing
    assert len(scripted_s3.stored) == 300
    assert writer.unavailable_since is None
    await writer.stop()


@pytest.mark.parametrize("status", [403, 400])
async def test_a_final_refusal_ends_the_writing_and_is_not_retried(scripted_s3: ScriptedS3, status: int) -> None:
    scripted_s3.answers = [status] * 100
    writer = writer_to(scripted_s3.server_port, 2)
    with pytest.raises(ArchiveError) as caught:
        await writer.write(some(1))
    assert caught.value.mend
    assert len(scripted_s3.answers) == 99
    await writer.stop()


async def test_a_cancelled_write_ends_at_once(scripted_s3: ScriptedS3) -> None:
    scripted_s3.delay_s = DEADLINE_S
    writer = writer_to(scripted_s3.server_port, 2)
    writing = asyncio.create_task(writer.write(some(20)))
    await until(lambda: scripted_s3.at_once == 2)
    start = time.monotonic()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await writer.stop()
    assert time.monotonic() - start < 5
    scripted_s3.released.set()


async def test_what_waits_is_written_in_batches_and_what_is_cancelled_before_is_not(tmp_path: Path) -> None:
    archive = open_archive(ArchiveSettings(uri=tmp_path.as_uri()))
    writer = ArchiveWriter(archive, parallel=1)
    begun, released = threading.Event(), threading.Event()

    def held() -> bytes:
        begun.set()
        released.wait(DEADLINE_S)
        return b"held"

    first = asyncio.create_task(writer.write([("t/d/held.har", held)]))
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    cancelled = asyncio.create_task(writer.write([("t/d/cancelled.har", partial(bytes, 1))]))
    others = [asyncio.create_task(writer.write([one])) for one in some(archive.batch + 10)]
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    released.set()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(first, *others)
    await writer.stop()
    assert writer.written == archive.batch + 11
    keys = set(archive.keys())
    assert len(keys) == archive.batch + 11
    assert "t/d/cancelled.har" not in keys


async def test_what_is_given_in_the_moment_in_which_the_last_task_ends_is_written(tmp_path: Path) -> None:
    writer = ArchiveWriter(open_archive(ArchiveSettings(uri=tmp_path.as_uri())), parallel=1)
    first, second = some(2)
    before = asyncio.all_tasks()
    writing = asyncio.create_task(writer.write([first]))
    await asyncio.sleep(0)
    [working] = asyncio.all_tasks() - before - {writing}
    await until(working.done, passes=True)
    async with asyncio.timeout(DEADLINE_S):
        await writer.write([second])
        await writing
    await writer.stop()
    assert writer.written == 2
