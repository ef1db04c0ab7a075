"""The HTTP clients that `benchmarks.sdk` measures: each with a guard and without, one GET at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import curl_cffi
import httpx
import requests
from crawlee.http_clients import HttpxHttpClient

from halt400.guard import Guard, RequestGuard, SyncGuard
from halt400.integrations import curl_cffi as curl_cffi_integration
from halt400.integrations import requests as requests_integration
from halt400.integrations.aiohttp import Halt400Middleware
from halt400.integrations.crawlee import Halt400HttpClient
from halt400.integrations.httpx import Halt400Transport, SyncHalt400Transport

__all__ = ["CLIENTS", "Send", "Settle", "opened"]

Send = Callable[[str], Any]
"""Sends one GET and reads the response; of asyncio where it returns an awaitable."""
Settle = Callable[[], Awaitable[object]]
"""Waits until what was published is on the broker."""
Made = tuple[Any, Send]


def _httpx(guard: RequestGuard | None) -> Made:
    transport = httpx.AsyncHTTPTransport() if guard is None else Halt400Transport(guard)
    client = httpx.AsyncClient(transport=transport)
    return client, client.get


def _httpx_sync(guard: RequestGuard | None) -> Made:
    transport = httpx.HTTPTransport() if guard is None else SyncHalt400Transport(guard)
    client = httpx.Client(transport=transport)
    return client, client.get


def _requests(guard: RequestGuard | None) -> Made:
    session = requests.Session()
    if guard is not None:
        requests_integration.protect(session, guard)
    return session, session.get


def _aiohttp(guard: RequestGuard | None) -> Made:
    session = aiohttp.ClientSession(middlewares=() if guard is None else (Halt400Middleware(guard),))

    async def get(url: str) -> bytes:
        async with session.get(url) as response:
            return await response.read()

    return session, get


def _curl_cffi(guard: RequestGuard | None) -> Made:
    session = curl_cffi.AsyncSession(impersonate="chrome")
    if guard is not None:
        curl_cffi_integration.protect(session, guard)
    return session, session.get


def _curl_cffi_sync(guard: RequestGuard | None) -> Made:
    session = curl_cffi.Session(impersonate="chrome")
    if guard is not None:
        curl_cffi_integration.protect(session, guard)
    return session, session.get


def _curl_cffi_untraced(guard: RequestGuard | None) -> Made:
    session = curl_cffi.AsyncSession(impersonate="chrome")
    if guard is not None:
        curl_cffi_integration.protect(session, guard, trace=False)
    return session, session.get


def _curl_cffi_sync_untraced(guard: RequestGuard | None) -> Made:
    session = curl_cffi.Session(impersonate="chrome")
    if guard is not None:
        curl_cffi_integration.protect(session, guard, trace=False)
    return session, session.get


def _crawlee(guard: RequestGuard | None) -> Made:
    client = HttpxHttpClient()
    session = client if guard is None else Halt400HttpClient(guard, client)
    return session, session.send_request


def _playwright(guard: RequestGuard | None) -> Made:
    from benchmarks.sdk_browsers import OnePage

    page = OnePage(guard)
    return page, page.get


CLIENTS: dict[str, tuple[Callable[[RequestGuard | None], Made], bool]] = {
    "httpx": (_httpx, False),
    "httpx, sync": (_httpx_sync, True),
    "requests": (_requests, True),
    "aiohttp": (_aiohttp, False),
    "curl_cffi": (_curl_cffi, False),
    "curl_cffi, sync": (_curl_cffi_sync, True),
    "curl_cffi, untraced": (_curl_cffi_untraced, False),
    "curl_cffi, sync, untraced": (_curl_cffi_sync_untraced, True),
    "crawlee": (_crawlee, False),
    "playwright": (_playwright, False),
}
"""How each is made, and whether its calls block."""


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[tuple[Send, Send, Settle]]:
    """The client alone, the client with a guard configured by ``HALT400_KAFKA_*``, and how to wait for its events."""
    make, is_sync = CLIENTS[name]
    async with AsyncExitStack() as stack:
        guard: RequestGuard
        if is_sync:
            guard = stack.enter_context(SyncGuard(job_id="bench"))
        else:
            guard = await stack.enter_async_context(Guard(job_id="bench"))
        sends = []
        for client, send in (make(None), make(guard)):
            if is_sync:
                stack.enter_context(client)
            else:
                await stack.enter_async_context(client)
            sends.append(send)
        publisher: Any = guard.publisher

        async def settle() -> object:
            return await (asyncio.to_thread(publisher.flush, 30.0) if is_sync else publisher.flush(30.0))

        yield sends[0], sends[1], settle
