"""One driver per HTTP client: how its users send a request, protected or not, in the words of the contract."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, NamedTuple, Self

import aiohttp
import curl_cffi
import httpx
import pytest
import requests
from urllib3.util import Retry

from halt400.gate import Gate
from halt400.guard import Guard, RequestGuard, SyncGuard
from halt400.integrations import curl_cffi as curl_cffi_integration
from halt400.integrations import requests as requests_integration
from halt400.integrations.aiohttp import Halt400Middleware
from halt400.integrations.httpx import Halt400Transport, SyncHalt400Transport
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher
from halt400.sync import SyncGate, SyncPublisher

__all__ = ["DRIVERS", "Answer", "Driver"]

UPLOAD = (b"y" * 100_000,) * 15
Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """What the client handed out."""

    status: int
    body: bytes


class Driver(ABC):
    """One client of one kind; without a guard it is the client alone.

    Attributes
    ----------
    client
        Its name in the events.
    is_sync
        Whether its calls block; they run in a thread then.
    names_proxies
        Whether it is told of the proxies that the client is given.
    tells_order
        Whether the order of header fields is known.
    keeps_what_was_read
        Whether the beginning of a 400's body is there that was left before its end.
    marks
        When its tests can run.
    """

    client: ClassVar[str]
    is_sync: ClassVar[bool] = False
    names_proxies: ClassVar[bool] = True
    tells_order: ClassVar[bool] = True
    keeps_what_was_read: ClassVar[bool] = True
    marks: ClassVar[tuple[pytest.MarkDecorator, ...]] = ()

    def __init__(self, guard: RequestGuard | None) -> None:
        self.guard = guard

    @classmethod
    @asynccontextmanager
    async def protected(cls, job_id: str, **options: Any) -> AsyncIterator[Self]:
        """The client with a guard of its own, configured by ``HALT400_KAFKA_*``."""
        async with AsyncExitStack() as stack:
            guard: RequestGuard
            if cls.is_sync:
                guard = sync_guard = await asyncio.to_thread(lambda: SyncGuard(job_id=job_id, **options))
                stack.push_async_callback(asyncio.to_thread, sync_guard.close)
            else:
                guard = await stack.enter_async_context(Guard(job_id=job_id, **options))
            driver = await stack.enter_async_context(cls.alone(guard))
            yield driver

    @classmethod
    @asynccontextmanager
    async def with_buffer(cls, kafka: KafkaConnection, buffer_bytes: int) -> AsyncIterator[Self]:
        """The client with a buffer of this size for events, and without the circuit breaker."""
        async with AsyncExitStack() as stack:
            publisher: Any
            gate: Any
            if cls.is_sync:
                publisher = SyncPublisher(kafka, buffer_bytes=buffer_bytes)
                gate = SyncGate(kafka)
                for part in (publisher, gate):
                    stack.push_async_callback(asyncio.to_thread, part.close)
            else:
                publisher = await stack.enter_async_context(Publisher(kafka, buffer_bytes=buffer_bytes))
                gate = await stack.enter_async_context(Gate(kafka))
            yield await stack.enter_async_context(cls.alone(RequestGuard(publisher, gate, job_id="extract-099")))

    @classmethod
    @asynccontextmanager
    async def alone(cls, guard: RequestGuard | None = None) -> AsyncIterator[Self]:
        """The client as it is, or protected by a guard."""
        driver = cls(guard)
        await driver.open()
        try:
            yield driver
        finally:
            await driver.close()

    async def flush(self) -> None:
        """Wait until everything published is on the broker."""
        assert self.guard is not None
        publisher: Any = self.guard.publisher
        assert await (asyncio.to_thread(publisher.flush, 20.0) if self.is_sync else publisher.flush(20.0))

    async def close_guard(self) -> None:
        """Close the guard while the client is open."""
        guard: Any = self.guard
        await (asyncio.to_thread(guard.close) if self.is_sync else guard.stop())

    async def give_up(self) -> None:
        """Do not wait for Kafka at the end."""
        assert self.guard is not None
        publisher: Any = self.guard.publisher
        await (asyncio.to_thread(publisher.close, 0.0) if self.is_sync else publisher.close(0.0))

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        """Send a request and read the whole response."""

    @abstractmethod
    async def upload(self, url: str) -> Answer:
        """POST the parts of `UPLOAD` as they come."""

    @abstractmethod
    async def read_some(self, url: str, size: int | None) -> int:
        """Read the first `size` bytes of a response part by part, and close it; all of them for None."""

    @abstractmethod
    async def drop(self, url: str) -> int:
        """Look at a response's status, and neither read nor close it."""

    @abstractmethod
    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        """Send as often as the client retries 400 and 503 where it is told to do so twice; the last status."""


class SyncDriver(Driver):
    """A client whose calls block."""

    is_sync = True

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        return await asyncio.to_thread(self._send, method, url, list(headers), body, proxy)

    async def upload(self, url: str) -> Answer:
        return await asyncio.to_thread(self._upload, url)

    async def read_some(self, url: str, size: int | None) -> int:
        return await asyncio.to_thread(self._read_some, url, size)

    async def drop(self, url: str) -> int:
        return await asyncio.to_thread(self._drop, url)

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        return await asyncio.to_thread(self._send_with_retries, method, url, body)

    @abstractmethod
    def _send(self, method: str, url: str, headers: Headers, body: str | None, proxy: str | None) -> Answer: ...

    @abstractmethod
    def _upload(self, url: str) -> Answer: ...

    @abstractmethod
    def _read_some(self, url: str, size: int | None) -> int: ...

    @abstractmethod
    def _drop(self, url: str) -> int: ...

    @abstractmethod
    def _send_with_retries(self, method: str, url: str, body: str | None) -> int: ...


def counted(parts: Iterator[bytes], size: int | None) -> int:
    """Take parts until there are `size` bytes of them."""
    found = 0
    for part in parts:
        found += len(part)
        if size is not None and found >= size:
            break
    return found


async def counted_async(parts: AsyncIterator[bytes], size: int | None) -> int:
    found = 0
    async for part in parts:
        found += len(part)
        if size is not None and found >= size:
            break
    return found


class Httpx(Driver):
    client = "httpx"
    names_proxies = False

    async def open(self) -> None:
        transport = httpx.AsyncHTTPTransport() if self.guard is None else Halt400Transport(self.guard)
        self.session = httpx.AsyncClient(transport=transport, follow_redirects=True)

    async def close(self) -> None:
        await self.session.aclose()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        response = await self.session.request(method, url, headers=list(headers), content=body)
        return Answer(response.status_code, response.content)

    async def upload(self, url: str) -> Answer:
        async def parts() -> AsyncIterator[bytes]:
            for part in UPLOAD:
                yield part

        response = await self.session.post(url, content=parts())
        return Answer(response.status_code, response.content)

    async def read_some(self, url: str, size: int | None) -> int:
        async with self.session.stream("GET", url) as response:
            return await counted_async(response.aiter_bytes(), size)

    async def drop(self, url: str) -> int:
        response = await self.session.send(self.session.build_request("GET", url), stream=True)
        return response.status_code

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        request = self.session.build_request(method, url, content=body)
        for _ in range(3):
            response = await self.session.send(request)
            if response.status_code not in (400, 503):
                break
        return response.status_code


class SyncHttpx(SyncDriver):
    client = "httpx"
    names_proxies = False

    async def open(self) -> None:
        transport = httpx.HTTPTransport() if self.guard is None else SyncHalt400Transport(self.guard)
        self.session = httpx.Client(transport=transport, follow_redirects=True)

    async def close(self) -> None:
        self.session.close()

    def _send(self, method: str, url: str, headers: Headers, body: str | None, proxy: str | None) -> Answer:
        response = self.session.request(method, url, headers=headers, content=body)
        return Answer(response.status_code, response.content)

    def _upload(self, url: str) -> Answer:
        response = self.session.post(url, content=iter(UPLOAD))
        return Answer(response.status_code, response.content)

    def _read_some(self, url: str, size: int | None) -> int:
        with self.session.stream("GET", url) as response:
            return counted(response.iter_bytes(), size)

    def _drop(self, url: str) -> int:
        return self.session.send(self.session.build_request("GET", url), stream=True).status_code

    def _send_with_retries(self, method: str, url: str, body: str | None) -> int:
        request = self.session.build_request(method, url, content=body)
        for _ in range(3):
            response = self.session.send(request)
            if response.status_code not in (400, 503):
                break
        return response.status_code


class Requests(SyncDriver):
    client = "requests"

    async def open(self) -> None:
        self.session = requests.Session()
        if self.guard is not None:
            requests_integration.protect(self.session, self.guard)

    async def close(self) -> None:
        self.session.close()

    def _send(self, method: str, url: str, headers: Headers, body: str | None, proxy: str | None) -> Answer:
        proxies = None if proxy is None else {"http": proxy}
        response = self.session.request(method, url, headers=dict(headers), data=body, proxies=proxies, timeout=60)
        return Answer(response.status_code, response.content)

    def _upload(self, url: str) -> Answer:
        response = self.session.post(url, data=iter(UPLOAD), timeout=60)
        return Answer(response.status_code, response.content)

    def _read_some(self, url: str, size: int | None) -> int:
        with self.session.get(url, stream=True, timeout=60) as response:
            return counted(response.iter_content(65_536), size)

    def _drop(self, url: str) -> int:
        return self.session.get(url, stream=True, timeout=60).status_code

    def _send_with_retries(self, method: str, url: str, body: str | None) -> int:
        retries = Retry(2, status_forcelist=[400, 503], allowed_methods=None, raise_on_status=False)
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        return self.session.request(method, url, data=body, timeout=60).status_code


class Aiohttp(Driver):
    client = "aiohttp"

    async def open(self) -> None:
        middlewares = () if self.guard is None else (Halt400Middleware(self.guard),)
        self.session = aiohttp.ClientSession(middlewares=middlewares)

    async def close(self) -> None:
        await self.session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        async with self.session.request(method, url, headers=list(headers), data=body, proxy=proxy) as response:
            return Answer(response.status, await response.read())

    async def upload(self, url: str) -> Answer:
        async def parts() -> AsyncIterator[bytes]:
            for part in UPLOAD:
                yield part

        async with self.session.post(url, data=parts()) as response:
            return Answer(response.status, await response.read())

    async def read_some(self, url: str, size: int | None) -> int:
        async with self.session.get(url) as response:
            return await counted_async(response.content.iter_any(), size)

    async def drop(self, url: str) -> int:
        return (await self.session.get(url)).status

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        async def retry(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            for _ in range(3):
                response = await handler(request)
                if response.status not in (400, 503):
                    break
            return response

        own = () if self.guard is None else (Halt400Middleware(self.guard),)
        async with self.session.request(method, url, data=body, middlewares=(retry, *own)) as response:
            return response.status


class CurlCffi(Driver):
    client = "curl_cffi"

    async def open(self) -> None:
        self.session = curl_cffi.AsyncSession(timeout=60)
        if self.guard is not None:
            curl_cffi_integration.protect(self.session, self.guard)

    async def close(self) -> None:
        await self.session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        response = await self.session.request(method, url, headers=list(headers), data=body, proxy=proxy)
        return Answer(response.status_code, response.content)

    async def upload(self, url: str) -> Answer:
        async def parts() -> AsyncIterator[bytes]:
            for part in UPLOAD:
                yield part

        response = await self.session.post(url, content=parts())
        return Answer(response.status_code, response.content)

    async def read_some(self, url: str, size: int | None) -> int:
        response = await self.session.get(url, stream=True)
        found = await counted_async(response.aiter_content(), size)
        response.quit_now.set()
        await response.aclose()
        return found

    async def drop(self, url: str) -> int:
        return (await self.session.get(url, stream=True)).status_code

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        self.session.retry = curl_cffi.requests.RetryStrategy(count=2)
        self.session.raise_for_status = True
        try:
            return (await self.session.request(method, url, data=body)).status_code
        except curl_cffi.requests.exceptions.HTTPError as error:
            return error.response.status_code


class SyncCurlCffi(SyncDriver):
    client = "curl_cffi"

    async def open(self) -> None:
        self.session = curl_cffi.Session(timeout=60)
        if self.guard is not None:
            curl_cffi_integration.protect(self.session, self.guard)

    async def close(self) -> None:
        self.session.close()

    def _send(self, method: str, url: str, headers: Headers, body: str | None, proxy: str | None) -> Answer:
        response = self.session.request(method, url, headers=headers, data=body, proxy=proxy)
        return Answer(response.status_code, response.content)

    def _upload(self, url: str) -> Answer:
        response = self.session.post(url, content=iter(UPLOAD))
        return Answer(response.status_code, response.content)

    def _read_some(self, url: str, size: int | None) -> int:
        with self.session.stream("GET", url) as response:
            return counted(response.iter_content(), size)

    def _drop(self, url: str) -> int:
        return self.session.get(url, stream=True).status_code

    def _send_with_retries(self, method: str, url: str, body: str | None) -> int:
        self.session.retry = curl_cffi.requests.RetryStrategy(count=2)
        self.session.raise_for_status = True
        try:
            return self.session.request(method, url, data=body).status_code
        except curl_cffi.requests.exceptions.HTTPError as error:
            return error.response.status_code


DRIVERS: tuple[type[Driver], ...] = (Httpx, SyncHttpx, Requests, Aiohttp, CurlCffi, SyncCurlCffi)
"""Every client that the contract holds for."""
