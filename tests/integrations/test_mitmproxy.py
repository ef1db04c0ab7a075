"""The mitmproxy addon in a real mitmdump, between real clients, a real server and the real broker."""

import asyncio
import json
import os
import re
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from halt400.events import target_of
from tests.integrations.conftest import JOB, Halt400Topics
from tests.integrations.mitmproxy_environment import mitmproxy_bin
from tests.sdk.strict_server import Server
from tests.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]  # the first test installs mitmproxy, once

REPOSITORY = Path(__file__).parents[2]
CERTIFICATE = REPOSITORY / "tests" / "alerts" / "localhost.pem"


@pytest.fixture(scope="module")
def bin_dir() -> Path:
    return mitmproxy_bin()


class Proxy:
    """One mitmdump."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process, self.url = process, url
        self.log: list[str] = []

    def text(self) -> str:
        return "".join(self.log)

    async def listen(self) -> None:
        """Keep what it prints."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.log.append(line.decode(errors="replace"))

    async def get(self, url: str, **options: object) -> httpx.Response:
        async with self.client() as client:
            return await client.get(url, **options)  # type: ignore[arg-type]

    def client(self, user: str = "") -> httpx.AsyncClient:
        url = self.url.replace("//", f"//{user}@") if user else self.url
        return httpx.AsyncClient(proxy=url, verify=False, timeout=60)


@asynccontextmanager
async def mitmdump(
    bin_dir: Path, directory: Path, variables: dict[str, str], *arguments: str, job: str | None = JOB
) -> AsyncIterator[Proxy]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}
    environment = kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"} | variables
    script = REPOSITORY / "halt400" / "integrations" / "mitmproxy" / "script.py"
    settings = [f"confdir={directory}", *([f"halt400_job_id={job}"] if job else [])]
    process = await asyncio.create_subprocess_exec(
        bin_dir / "mitmdump", "-s", str(script), "--listen-host", "127.0.0.1", "-p", "0",
        *(word for setting in settings for word in ("--set", setting)), *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    proxy = Proxy(process, "")
    listening = asyncio.create_task(proxy.listen())

    def address() -> str | None:
        found = re.search(r"proxy listening at (?:http://)?(127\.0\.0\.1:\d+)", proxy.text())
        return found[1] if found else None

    try:
        found = await until(address, 60, hopeless=lambda: process.returncode is not None, explain=proxy.text)
        proxy.url = f"http://{found}"
        yield proxy
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)
        await listening
        assert "Traceback" not in proxy.text(), proxy.text()


async def test_every_response_is_published_and_a_400_with_its_bodies(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    async with mitmdump(bin_dir, tmp_path, halt400_topics.variables, "--set", "halt400_release=2.4.0") as proxy:
        async with proxy.client() as client:
            for status in (200, 302, 404, 503):
                assert (await client.get(f"{server.url}/items?status={status}")).status_code == status
            answered = await client.post(f"{server.url}/graphql", content=b'{"a": 1, }', headers={"X-Trace": "7"})
        assert answered.status_code == 400
        assert "error" in answered.json()
        events = await until(lambda: _when(halt400_topics, 5), explain=proxy.text)
    assert sorted(event.response.status for event in events) == [200, 302, 400, 404, 503]
    [bad] = [event for event in events if event.response.status == 400]
    assert (bad.job_id, bad.release, bad.target) == (JOB, "2.4.0", target_of(server.url))
    assert (bad.request.method, bad.request.body) == ("POST", '{"a": 1, }')
    assert bad.response.body == answered.text  # it came packed
    assert ("X-Trace", "7") in bad.request.headers
    assert bad.client is not None
    assert bad.client.name == "mitmproxy"


async def _when(halt400_topics: Halt400Topics, count: int) -> list:  # type: ignore[type-arg]
    events = await halt400_topics.events()
    return events if len(events) >= count else []


async def test_what_is_quarantined_is_answered_by_the_proxy_and_never_reaches_its_target(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    await halt400_topics.command(target_of(server.url))
    async with mitmdump(bin_dir, tmp_path, halt400_topics.variables) as proxy:
        # Its first request waits for what is quarantined already.
        answer = await proxy.get(f"{server.url}/items")
        assert (answer.status_code, server.hits) == (403, [])
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["proxy-status"].startswith("halt400; error=http_request_denied")
        assert problem["type"] == "urn:halt400:problem:job_quarantined"
        assert problem["scope_id"] == f"job/{target_of(server.url)}/{JOB}"
        assert f"halt400 release {problem['scope_id']}" in problem["mend"]
        async with proxy.client() as client:
            head = await client.head(f"{server.url}/items")
        assert (head.status_code, head.content) == (403, b"")
        await halt400_topics.command(target_of(server.url), "released", sequence=2)

        async def passes() -> bool:
            return (await proxy.get(f"{server.url}/items")).status_code == 200

        await until(passes, explain=proxy.text)
        events = await until(lambda: _when(halt400_topics, 1), explain=proxy.text)
    assert {event.response.status for event in events} == {200}  # answers of the proxy are no responses


async def test_the_status_of_refusals_and_their_own_breaker_can_be_set(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    settings = ("--set", "halt400_refusal_status=499")
    async with mitmdump(bin_dir, tmp_path, halt400_topics.variables, *settings) as proxy, proxy.client() as client:
        answers = [await client.post(f"{server.url}/graphql", content=b"{") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [400] * 5 + [499] * 3
    assert len(server.hits) == 5
    assert "5 times in a row" in answers[-1].json()["detail"]


async def test_the_user_of_the_proxy_url_names_the_job_and_stays_with_the_proxy(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    await halt400_topics.command(target_of(server.url), job_id="held")
    settings = ("--set", "halt400_job_from_proxy_user=true")
    async with mitmdump(bin_dir, tmp_path, halt400_topics.variables, *settings) as proxy:
        for user, status in (("other", 200), ("held", 403), ("", 200)):
            async with proxy.client(user) as client:
                assert (await client.get(f"{server.url}/items")).status_code == status
        events = await until(lambda: _when(halt400_topics, 2), explain=proxy.text)
    assert sorted(event.job_id for event in events) == sorted([JOB, "other"])
    assert not any(name.lower() == "proxy-authorization" for headers in server.received_headers for name, _ in headers)


async def test_streams_pass_unbuffered_and_a_400s_beginning_is_kept(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    async with (
        mitmdump(bin_dir, tmp_path, halt400_topics.variables, "--set", "stream_large_bodies=100k") as proxy,
        proxy.client() as client,
    ):
        async with client.stream("GET", f"{server.url}/endless?status=200") as endless:
            parts = endless.aiter_raw()
            assert len(await anext(parts)) > 0
            events = await until(lambda: _when(halt400_topics, 1), explain=proxy.text)  # it has not ended yet
            assert events[0].response.status == 200
        sent = secrets.token_bytes(3_000_000)
        async with bad_requests(b"x" * 2_000_000) as url:
            answered = await client.post(url, content=sent)
            assert (answered.status_code, len(answered.content)) == (400, 2_000_000)
            events = await until(lambda: _when(halt400_topics, 2), explain=proxy.text)
    [bad] = [event for event in events if event.response.status == 400]
    assert (bad.request.body_size, bad.request.body_truncated) == (3_000_000, True)
    assert (bad.response.body_size, bad.response.body_truncated) == (2_000_000, True)
    assert bad.response.body == "x" * 1024 * 1024


@pytest.mark.parametrize("announced", [True, False])
async def test_an_upload_that_streams_and_is_refused_is_cut_off_before_its_target(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics, announced: bool
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield secrets.token_bytes(100_000)

    await halt400_topics.command(target_of(server.url))
    settings = ("--set", "stream_large_bodies=100k")
    async with mitmdump(bin_dir, tmp_path, halt400_topics.variables, *settings) as proxy, proxy.client() as client:
        content = secrets.token_bytes(1_000_000) if announced else parts()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
            await client.post(f"{server.url}/items", content=content)
        assert (await proxy.get(f"{server.url}/items")).status_code == 403
    assert server.hits == []


async def test_over_tls_and_http_2_the_order_of_headers_is_kept(
    bin_dir: Path, tmp_path: Path, halt400_topics: Halt400Topics
) -> None:
    """curl speaks HTTP/2 to the proxy, which asks the server in HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    settings = ("--ssl-insecure", "--set", "connection_strategy=lazy")
    async with (
        bad_requests(b"bad", context) as url,
        mitmdump(bin_dir, tmp_path, halt400_topics.variables, *settings) as proxy,
    ):
        names = ["x-zebra", "x-apple", "x-mango"]
        headers = [word for name in names for word in ("-H", f"{name}: 1")]
        curl = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--http2", "-k", "-x", proxy.url, "-d", "{", *headers, "-w", "%{http_version}", url,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await curl.communicate()
        assert out.endswith(b"2"), proxy.text()
        events = await until(lambda: _when(halt400_topics, 1), explain=proxy.text)
    [event] = events
    assert (event.request.http_version, event.request.url, event.response.status) == ("2", url, 400)
    assert [name for name, _ in event.request.headers if name in names] == names


@asynccontextmanager
async def bad_requests(body: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that answers every request 400, in HTTP/1.1."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(size[1]) if size else 0)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}/graphql"


async def test_without_kafka_everything_passes_and_little_is_logged(
    bin_dir: Path, tmp_path: Path, server: Server, unused_port: int
) -> None:
    variables = {"HALT400_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_port}"}
    async with mitmdump(bin_dir, tmp_path, variables) as proxy, proxy.client() as client:
        for _ in range(20):
            assert (await client.get(f"{server.url}/items")).status_code == 200
    told = [line for line in proxy.log if "Kafka" in line or "aiokafka" in line]
    assert 1 <= len(told) <= 6, proxy.text()


async def test_without_kafka_requests_are_refused_where_that_is_asked_for(
    bin_dir: Path, tmp_path: Path, server: Server, unused_port: int
) -> None:
    variables = {"HALT400_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_port}"}
    async with mitmdump(bin_dir, tmp_path, variables, "--set", "halt400_fail_open=false") as proxy:
        answer = await proxy.get(f"{server.url}/items")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:halt400:problem:broker_unavailable")
    assert server.hits == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "halt400_job_id is not set"),
        ("halt400_preflight=yes", "halt400_preflight=yes"),
        ("halt400_refusal_status=200", "a status from 400 to 599"),
    ],
)
async def test_a_wrong_option_ends_it_at_its_start(bin_dir: Path, tmp_path: Path, setting: str, message: str) -> None:
    settings = ("--set", f"halt400_job_id={JOB}", "--set", setting) if setting else ()
    async with mitmdump(bin_dir, tmp_path, {}, *settings, job=None) as proxy:
        assert await asyncio.wait_for(proxy.process.wait(), 30) == 1
    assert message in proxy.text()


async def test_the_path_of_the_script_is_printed(bin_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        bin_dir / "python", "-m", "halt400.integrations.mitmproxy", stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    out, _ = await process.communicate()
    assert Path(out.decode().strip()) == REPOSITORY / "halt400" / "integrations" / "mitmproxy" / "script.py"


READ_FLOWS = """
import sys
import msgspec
from halt400.exchanges import InputFile, RecordedExchange, read_exchanges
with InputFile(sys.argv[1]) as file:
    for found in read_exchanges(file):
        assert isinstance(found, RecordedExchange), found
        print(msgspec.json.encode(found).decode())
"""


async def test_saved_flows_are_read_with_bodies_and_times(
    bin_dir: Path, tmp_path: Path, server: Server, halt400_topics: Halt400Topics
) -> None:
    flows, variables = tmp_path / "flows", halt400_topics.variables
    async with mitmdump(bin_dir, tmp_path, variables, "-w", str(flows)) as proxy, proxy.client() as client:
        await client.post(f"{server.url}/graphql", content=b'{"a": 1, }')
        assert (await client.get(f"{server.url}/broken")).status_code == 502
    script = tmp_path / "read.py"
    script.write_text(READ_FLOWS)
    reading = await asyncio.create_subprocess_exec(
        bin_dir / "python", str(script), str(flows), env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await reading.communicate()
    found = [json.loads(line) for line in out.splitlines()]
    bad = next(one for one in found if one["request"]["method"] == "POST")
    assert (bad["request"]["body"], bad["response"]["status"]) == ('{"a": 1, }', 400)
    assert "error" in bad["response"]["body"]
    assert bad["time_ms"] > 1_700_000_000_000
    assert bad["duration_ms"] > 0
    [broken] = [one for one in found if one is not bad]
    assert broken["response"] is None
    assert broken["no_response"].startswith("the request got no response (")
