import asyncio
import json
import logging

import pytest

from halt400.kafka.connection import KafkaConnection
from streams.api.read_model import ReadModel
from streams.api.server import ApiServer
from streams.settings import ApiSettings

LONG = b"x" * 9000


async def ask(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes to a server; the status, headers and body of its answer, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /v1/targets/" + LONG + b"/rates HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + LONG + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n", 400, "bad_request_line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request_line"),
        (b"hello\r\n\r\n", 400, "bad_request_line"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "bad_request_line"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "bad_request_line"),
    ],
    ids=["long target", "long header", "many headers", "TLS", "no HTTP", "version", "length"],
)
async def test_what_is_not_http_gets_a_problem_and_no_traceback_on_the_log(
    sent: bytes, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ApiServer(ReadModel(KafkaConnection("127.0.0.1:1")), ApiSettings(port=0)) as server:
        caplog.clear()
        found, headers, body = await ask(server.port, sent)
    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["mend"]
    assert headers["Server"] == "halt400"
    assert [record for record in caplog.records if record.exc_info or record.name.startswith("aiohttp")] == []
