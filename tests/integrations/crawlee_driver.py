"""Crawlee's HTTP client as the contract's tests use it, and a crawler where it is to retry."""

import secrets
from collections.abc import Sequence
from typing import Any

from crawlee import ConcurrencySettings, Request
from crawlee.configuration import Configuration
from crawlee.crawlers import HttpCrawler
from crawlee.events import LocalEventManager
from crawlee.http_clients import HttpClient, HttpxHttpClient
from crawlee.proxy_configuration import ProxyConfiguration
from crawlee.storage_clients import MemoryStorageClient
from crawlee.storages import RequestQueue

from halt400.integrations.crawlee import Halt400HttpClient
from tests.integrations.drivers import UPLOAD, Answer, Driver, counted_async

__all__ = ["Crawlee"]


class Crawlee(Driver):
    client = "crawlee"
    tells_order = False

    async def open(self) -> None:
        plain = HttpxHttpClient(header_generator=None, timeout=60)
        self.session: HttpClient = plain if self.guard is None else Halt400HttpClient(self.guard, plain)
        await self.session.__aenter__()

    async def close(self) -> None:
        await self.session.__aexit__(None, None, None)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str | None = None,
        proxy: str | None = None,
    ) -> Answer:
        response = await self.session.send_request(
            url,
            method=method,  # type: ignore[arg-type]
            headers=dict(headers),
            payload=None if body is None else body.encode(),
            proxy_info=None
            if proxy is None
            else await ProxyConfiguration(proxy_urls=[proxy]).new_proxy_info(None, None, None),
        )
        return Answer(response.status_code, await response.read())

    async def upload(self, url: str) -> Answer:
        response = await self.session.send_request(url, method="POST", payload=b"".join(UPLOAD))
        return Answer(response.status_code, await response.read())

    async def read_some(self, url: str, size: int | None) -> int:
        async with self.session.stream(url) as response:
            return await counted_async(response.read_stream(), size)

    async def drop(self, url: str) -> int:
        async with self.session.stream(url) as response:
            return response.status_code

    async def send_with_retries(self, method: str, url: str, body: str | None = None) -> int:
        storage = MemoryStorageClient()
        crawler = HttpCrawler(
            http_client=self.session,
            # The default queue is one for the whole process.
            request_manager=await RequestQueue.open(alias=secrets.token_hex(4), storage_client=storage),
            max_request_retries=2,
            additional_http_error_status_codes=[400, 503],
            storage_client=storage,
            event_manager=LocalEventManager.from_config(Configuration()),
            concurrency_settings=ConcurrencySettings(desired_concurrency=1, max_concurrency=1),
            configure_logging=False,
        )
        statuses: list[int] = []

        @crawler.failed_request_handler
        async def failed(context: Any, error: Exception) -> None:
            statuses.append(error.status_code)  # type: ignore[attr-defined]

        payload = None if body is None else body.encode()
        await crawler.run([Request.from_url(url, method=method, payload=payload)])  # type: ignore[arg-type]
        return statuses[-1]
