"""A request that is sent again from the archive is byte for byte the one that the scraper sent."""

import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from halt400.errors import ArchiveError
from halt400.events import response_event
from halt400.exchanges.resend import curl_command, raw_request
from halt400.records import Offence, Request, Source
from streams.archive import har_of
from streams.archive.har import offence_of
from tests.archive.offences import SECRETS, offence, redactor

DEADLINE_S = 20.0


class Recorder:
    """A loopback server that keeps every request byte for byte and answers 400."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(DEADLINE_S)
                data = self._read(connection)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
            with self._arrived:
                self.requests.append(data)
                self._arrived.notify_all()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0]):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def take(self) -> bytes:
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.requests, DEADLINE_S), "no request came"
            return self.requests.pop(0)

    def close(self) -> None:
        # A thread that still waits in accept() when its socket is closed goes on waiting on the number, which the next
        # server of this process is given: shutdown ends the wait.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


def archived(request: httpx.Request) -> Request:
    """The request as it comes back from the archive, redaction off."""
    event = response_event(
        method=request.method,
        url=str(request.url),
        status=400,
        job_id="j",
        request_headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
        request_body=request.content,
    )
    given = Offence(
        target="t", event=event, source=Source(topic="r", partition=0, offset=1), archive_uri="file:///x/y", seen_at=0
    )
    return offence_of(har_of(given)).event.request


def replay(command: str, directory: Path) -> None:
    script = directory / "command.sh"
    script.write_text(command + "\n")
    subprocess.run(["bash", str(script)], check=True, timeout=DEADLINE_S, capture_output=True)


BODY = '{"query": "{ product(id: 42) { name, price } }", }'


@pytest.mark.parametrize(
    "sent",
    [
        {"method": "GET", "url": "/v1/products/../42?a=%5B1%5D&b=[2]{3}&c"},
        {"method": "POST", "url": "/graphql", "json": {"a": 1}, "headers": {"Authorization": "Bearer abc-123"}},
        {"method": "POST", "url": "/graphql", "content": BODY, "headers": {"Content-Type": "application/json"}},
        {"method": "POST", "url": "/x", "content": "it's 'quoted' $HOME `id` \\ \"x\"\n\n"},
        {"method": "POST", "url": "/x", "content": "@/etc/passwd"},
        {"method": "PUT", "url": "/x", "content": bytes(range(256)) * 5},
        {"method": "POST", "url": "/x", "content": "ä" * 60_000},
        {"method": "DELETE", "url": "/x", "headers": [("X-A", "1"), ("X-A", "2"), ("x-b", "c  d")]},
        {"method": "POST", "url": "/x", "data": {"user": "ann", "password": "a b&c"}},
        {"method": "OPTIONS", "url": "/x", "headers": {"X-Empty": ""}},
        {"method": "POST", "url": "/x", "content": b"", "headers": {"Content-Length": "0"}},
        {"method": "PURGE", "url": "/x?q='quote'"},
    ],
)
def test_the_replayed_request_is_byte_for_byte_the_one_that_was_sent(
    server: Recorder, sent: dict[str, object], tmp_path: Path
) -> None:
    given = {**sent, "url": f"http://127.0.0.1:{server.port}{sent['url']}"}
    with httpx.Client() as client:
        request = client.build_request(**given)  # type: ignore[arg-type]
        client.send(request)
    first = server.take()
    back = archived(request)
    assert raw_request(back) == first
    replay(curl_command(back), tmp_path)
    assert server.take() == first


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": [("Accept", "*/*"), ("Host", "127.0.0.1"), ("A", "late host")]},
        {"headers": [("Host", "x"), ("Authorization", "Bearer abc\r\nX-Injected: yes")]},
        {"headers": [("Host", "x"), ("X-Name", "ümläut")]},
        {"headers": [("Host", "x"), ("bad name", "v"), ("X", " padded ")]},
        {"url": 'http://127.0.0.1:{port}/a b?c="d"<e>'},
        {"method": "GET", "body": "with a length that lies", "headers": [("Host", "x"), ("Content-Length", "5")]},
        {"headers": [("Host", "x"), ("Host", "y")]},
        {"body": None, "body_base64": b64encode(b"\x00\xff").decode(), "headers": [("TE", "trailers")]},
    ],
)
def test_a_request_that_curl_would_change_goes_through_a_plain_connection(
    server: Recorder, changed: dict[str, object], tmp_path: Path
) -> None:
    given: dict[str, object] = {"method": "POST", "url": "http://127.0.0.1:{port}/v1", "headers": [], **changed}
    given["url"] = str(given["url"]).replace("{port}", str(server.port))
    request = Request(**given)  # type: ignore[arg-type]
    command = curl_command(request)
    assert command.startswith("# curl would change")
    replay(command, tmp_path)
    taken, expected = server.take(), raw_request(request)
    assert taken == expected[: len(taken)]
    assert len(expected) - len(taken) <= len(" length that lies")


def test_a_request_of_https_goes_through_openssl() -> None:
    command = curl_command(Request(method="GET", url="https://api.shop.example/a b"))
    assert "openssl s_client -quiet -connect api.shop.example:443 -servername api.shop.example" in command


@pytest.mark.parametrize("url", ["/v1/products", "ftp://a/b", "https:///x", "http://a b:99999x/ c"])
def test_a_url_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(ArchiveError):
        curl_command(Request(method="GET", url=url))


def test_a_command_from_the_archive_has_no_secret() -> None:
    command = curl_command(offence_of(har_of(redactor.offence(offence()))).event.request)
    for secret in SECRETS:
        assert secret not in command
    assert "Authorization: Bearer " in command
