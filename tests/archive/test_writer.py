"""Writing in parallel: what is slow is waited for side by side, what is away is waited for, what is wrong ends it."""

import asyncio
import http.server
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from faust.types import TP
from pydantic import SecretStr

from halt400.errors import ArchiveError
from halt400.records import Offence
from halt400.redaction import RedactionRules, Redactor
from streams.archive import ArchiveWriter, open_archive
from streams.archive.interface import ArchiveUnavailable
from streams.archive.object_names import MANIFEST, object_key
from streams.archive.offence_archiver import OffenceArchiver, redact_and_cut
from streams.archive.offence_counts import OffenceCounts
from streams.archive.s3_archive import S3Archive
from streams.archive.verification import verify
from streams.archive.writer import RETRIES_AT_ONCE, Evidence
from streams.settings import ArchiveSettings
from tests.archive.offences import SECRETS, offence
from tests.waiting import until

DEADLINE_S = 30.0
redactor = Redactor(RedactionRules(), b"the key of the archive's tests")


class SlowS3(http.server.ThreadingHTTPServer):
    """Takes PUTs after a delay, or refuses them as it is told."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s = 0.0
        self.answers: list[int] = []
        self.stored: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.encrypts = True
        self.code: str | None = None
        self.most_at_once = self.at_once = 0
        self.released = threading.Event()
        self.lock = threading.Lock()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowS3

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        self.server.released.wait(self.server.delay_s)
        with self.server.lock:
            self.server.at_once -= 1
            self.server.headers = dict(self.headers.items())
            if status == 200:
                self.server.stored[self.path] = body
        code = {403: "SignatureDoesNotMatch", 400: "InvalidArgument", 503: "SlowDown", 500: "InternalError"}
        answer = b"" if status == 200 else f"<Error><Code>{self.server.code or code[status]}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        if self.server.encrypts and (encryption := self.headers.get("x-amz-server-side-encryption")):
            self.send_header("x-amz-server-side-encryption", encryption)
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[SlowS3]:
    slow = SlowS3()
    thread = threading.Thread(target=slow.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield slow
    slow.released.set()
    slow.shutdown()
    thread.join()
    slow.server_close()


def writer_to(port: int, parallel: int) -> ArchiveWriter:
    settings = ArchiveSettings(
        uri="s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key_id="a",
        secret_access_key=SecretStr("b"),
        parallel_uploads=parallel,
    )
    return ArchiveWriter(open_archive(settings), parallel=parallel)


def some(count: int) -> list[Evidence]:
    return [(f"t/d/{number}.har", partial(b"%d".__mod__, number)) for number in range(count)]


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_every_upload_asks_for_the_encryption_that_is_set(server: SlowS3, encryption: str) -> None:
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption=encryption,
        kms_key_id="key-7" if encryption == "aws:kms" else None,
    )
    for write in (lambda: archive.write("t/d/1.har", b"1"), lambda: archive.replace("t/d/m.manifest.json", b"2", None)):
        write()
        headers = {name.lower(): value for name, value in server.headers.items()}
        assert headers["x-amz-server-side-encryption"] == encryption
        assert headers.get("x-amz-server-side-encryption-aws-kms-key-id") == (
            "key-7" if encryption == "aws:kms" else None
        )
        assert "x-amz-checksum-sha256" in headers


def test_a_server_that_does_not_encrypt_as_asked_is_refused(server: SlowS3) -> None:
    server.encrypts = False
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption="AES256",
    )
    for use in (archive.check, lambda: archive.write("t/d/1.har", b"1"), lambda: archive.replace("t/d/m", b"2", None)):
        with pytest.raises(ArchiveError, match="was to be encrypted by AES256") as caught:
            use()
        assert "HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION" in caught.value.mend


@pytest.mark.parametrize("encryption", [None, "AES256"])
def test_a_kms_key_that_would_encrypt_nothing_is_refused(encryption: str | None) -> None:
    with pytest.raises(ArchiveError) as caught:
        S3Archive("s3://evidence/x", server_side_encryption=encryption, kms_key_id="key-7")
    assert caught.value.mend.startswith("Set HALT400_ARCHIVE_SERVER_SIDE_ENCRYPTION=aws:kms")


@pytest.mark.parametrize(
    ("given", "searched", "signed"),
    [(None, None, "us-east-1"), (None, "eu-central-1", "eu-central-1"), ("garage", "eu-central-1", "garage")],
)
def test_requests_are_signed_for_the_region_that_is_set_or_else_boto3s_own(
    server: SlowS3, monkeypatch: pytest.MonkeyPatch, given: str | None, searched: str | None, signed: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if searched is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", searched)
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region=given,
        access_key_id="a",
        secret_access_key="b",
    )
    archive.write("t/d/1.har", b"1")
    assert f"/{signed}/s3/aws4_request" in server.headers["Authorization"]


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
        await writer.write(some(1280))
        spent = time.monotonic() - start
        await writer.stop()
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/")
    finally:
        store.kill()
        await store.wait()
    stored, most = map(int, answer.text.split())
    assert stored == writer.written == 1280
    assert most <= 320
    # One after another would be one in two seconds; `python -m benchmarks outage` asks for a hundred a second.
    assert 1280 / spent >= 25, spent


async def test_a_store_that_is_away_is_waited_for_and_nothing_is_lost(server: SlowS3) -> None:
    server.answers = [503, 500] * 2
    writer = writer_to(server.server_port, 4)
    await writer.start()
    server.answers = [503, 500] * 8
    writing = asyncio.create_task(writer.write(some(4)))
    reasons = await until(lambda: [writer.unavailable_reason] if writer.unavailable_since is not None else [])
    assert reasons[0] is not None
    async with asyncio.timeout(DEADLINE_S):
        await writing
    assert sorted(server.stored.values()) == [b"0", b"1", b"2", b"3"]
    assert writer.unavailable_since is None
    assert writer.unavailable_reason is None
    await writer.stop()


async def test_an_upload_that_was_cut_on_its_way_is_sent_again(server: SlowS3) -> None:
    server.answers, server.code = [400], "IncompleteBody"
    writer = writer_to(server.server_port, 1)
    async with asyncio.timeout(DEADLINE_S):
        await writer.write(some(1))
    assert list(server.stored.values()) == [b"0"]
    await writer.stop()


async def test_while_a_store_is_away_only_a_few_uploads_are_tried_at_once(server: SlowS3) -> None:
    server.answers = [503] * 100_000
    server.delay_s = 0.5
    writer = writer_to(server.server_port, 64)
    writing = asyncio.create_task(writer.write(some(300)))
    await until(lambda: writer.unavailable_since is not None)

    async def is_calm() -> bool:
        """Whether the next requests come a few at once; those that were on their way are asked again by boto3."""
        server.most_at_once, before = 0, len(server.answers)
        await until(lambda: before - len(server.answers) >= 12)
        return server.most_at_once <= RETRIES_AT_ONCE

    async with asyncio.timeout(DEADLINE_S):
        while not await is_calm():
            pass
    server.answers, server.delay_s = [], 0.0
    async with asyncio.timeout(DEADLINE_S):
        await writing
    assert len(server.stored) == 300
    assert writer.unavailable_since is None
    await writer.stop()


@pytest.mark.parametrize("status", [403, 400])
async def test_a_refusal_for_good_ends_the_writing_and_is_not_tried_again(server: SlowS3, status: int) -> None:
    server.answers = [status] * 100
    writer = writer_to(server.server_port, 2)
    with pytest.raises(ArchiveError) as caught:
        await writer.write(some(1))
    assert caught.value.mend
    assert len(server.answers) == 99
    await writer.stop()


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "AccessDenied", ArchiveError, "Give these credentials the right s3:PutObject"),
        (400, "KMS.NotFoundException", ArchiveError, "Correct HALT400_ARCHIVE_KMS_KEY_ID."),
        (500, "InternalError", ArchiveUnavailable, "HALT400_ARCHIVE_KMS_KEY_ID must name a key that it has."),
        (400, "AuthorizationHeaderMalformed", ArchiveError, "Correct HALT400_ARCHIVE_REGION."),
    ],
)
def test_what_mends_a_refusal_is_named(
    server: SlowS3, status: int, code: str, kind: type[ArchiveError], said: str
) -> None:
    server.answers, server.code = [status] * 10, code
    archive = S3Archive(
        "s3://evidence/x",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        access_key_id="a",
        secret_access_key="b",
        server_side_encryption="aws:kms",
        kms_key_id="no-such-key",
    )
    with pytest.raises(ArchiveError) as caught:
        archive.check()
    assert type(caught.value) is kind
    assert said in caught.value.mend


async def test_a_cancelled_write_ends_at_once(server: SlowS3) -> None:
    server.delay_s = DEADLINE_S
    writer = writer_to(server.server_port, 2)
    writing = asyncio.create_task(writer.write(some(20)))
    await until(lambda: server.at_once == 2)
    start = time.monotonic()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await writer.stop()
    assert time.monotonic() - start < 5
    server.released.set()


class Commits:
    """What may be committed."""

    def __init__(self) -> None:
        self.offsets: dict[TP, int] = {}

    def advance(self, tp: TP, offset: int) -> None:
        self.offsets[tp] = offset


class Record:
    def __init__(self, offset: int, value: bytes | None) -> None:
        self.offset, self.value = offset, value


async def test_the_archiver_writes_what_verify_finds_sound(tmp_path: Path) -> None:
    archive = open_archive(ArchiveSettings(uri=tmp_path.as_uri()))
    writer = ArchiveWriter(archive, parallel=4)
    offences = [offence(number, target=f"t{number % 3}.example") for number in range(40)]
    values = [msgspec.json.encode(one) for one in offences]
    broken = b'{"password": "hunter2hunter2", "no": "offence"'
    half = (
        msgspec.json.encode(msgspec.structs.replace(offences[0], diagnosis=None))
        .replace(b'"status":400', b'"status":"x"')
        .replace(b'"offset":0', b'"offset":99')
    )
    records = [Record(number, value) for number, value in enumerate([*values, None, broken, half])]
    tp, commits = TP("halt400.offences", 3), Commits()
    for _ in range(2):  # The second process reads all of it again.
        counts = OffenceCounts(archive, writer, commits)
        await OffenceArchiver(writer, redactor, counts).archive(tp, len(records), records)
        counts.advance(tp, len(records))
        await counts.flush()
    assert commits.offsets == {tp: len(records)}
    await writer.stop()
    assert sum(key.endswith(MANIFEST) for key in archive.keys("")) == 3
    keys = [key for key in archive.keys("") if not key.endswith(MANIFEST)]
    assert len(keys) == 42
    assert sum(key.startswith("undecodable/") for key in keys) == 1
    for key in keys:
        for secret in SECRETS:
            assert secret.encode() not in archive.read(key)

    async def log() -> AsyncIterator[tuple[int, bytes | None]]:
        for value in [*values, None, values[0]]:
            yield 3, value

    def sealed(one: Offence) -> Offence:
        return redact_and_cut(redactor, one)

    found = await verify(archive, log(), sealed, topic=tp.topic)
    assert found.complete
    assert found.sound == found.offences == 40

    key = object_key(offences[1].source, offences[1].target, offences[1].event.time)
    (tmp_path / key).unlink()
    other = object_key(offences[2].source, offences[2].target, offences[2].event.time)
    (tmp_path / other).write_bytes(archive.read(other).replace(b"product", b"forgery"))
    third = object_key(offences[3].source, offences[3].target, offences[3].event.time)
    (tmp_path / third).write_bytes(b"{")
    found = await verify(archive, log(), sealed, topic=tp.topic)
    assert (found.sound, found.missing_count, found.different_count, found.unreadable_count) == (37, 1, 1, 1)
    assert found.missing == [archive.uri(key)]
    assert not found.complete
