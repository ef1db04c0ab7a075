"""Checks of what stands beside Kafka: the archive, the sinks, the API."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx

from halt400.errors import Halt400Error
from streams.alerts.config import AlertsConfig, has_alerts, load_alerts
from streams.alerts.route_check import check_routes
from streams.alerts.sink_settings import EmailSettings, StdoutSettings, address_of
from streams.api.server import base_url
from streams.archive import open_archive
from streams.doctor.check_result import CheckResult
from streams.settings import Settings

__all__ = ["check_api", "check_archive", "check_sinks"]


async def check_archive(settings: Settings) -> AsyncIterator[CheckResult]:
    """Put, get and list an object of the archive."""
    uri = settings.archive.uri
    try:
        began = time.monotonic()
        await asyncio.to_thread(open_archive(settings.archive).check)
    except Halt400Error as error:
        yield CheckResult("archive", "failed", error.message, error.mend)
    else:
        yield CheckResult("archive", "ok", f"{uri}: put, get and list in {time.monotonic() - began:.2f} s")


async def check_sinks(settings: Settings, *, page: bool) -> AsyncIterator[CheckResult]:
    """Connect to each sink; with `page`, send a real message through every route instead, and resolve it."""
    path = settings.config.found
    try:
        config = load_alerts(path) if has_alerts(path) else None
        if config is None:
            return
        async for result in _paged(config) if page else _connected(config):
            yield result
    except Halt400Error as error:
        yield CheckResult("sinks", "failed", error.message, error.mend)


async def _paged(config: AlertsConfig) -> AsyncIterator[CheckResult]:
    sinks = config.make_sinks(os.environ)
    try:
        for found in await check_routes(config.routing.routes, sinks, time.time_ns() // 1_000_000):
            what = f"{found.sink} by the route {found.route}: {found.action} {found.result.outcome}"
            if found.result.outcome == "accepted":
                yield CheckResult("sinks", "ok", what)
            else:
                mend = "Correct the sink in halt400.toml, its secret, or the network."
                yield CheckResult("sinks", "failed", f"{what} ({found.result.detail})", mend)
    finally:
        await asyncio.gather(*(sink.close() for sink in sinks.values()))


async def _connected(config: AlertsConfig) -> AsyncIterator[CheckResult]:
    for name, sink in sorted(config.sinks.items()):
        if isinstance(sink, StdoutSettings):
            yield CheckResult("sinks", "ok", f"{name}: the worker's standard output")
            continue
        if isinstance(sink, EmailSettings):
            host, port, tls = sink.host, sink.port, sink.tls == "implicit"
        else:
            parts = urlsplit(address_of(name, sink, config.source, os.environ))
            tls = parts.scheme == "https"
            host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        try:
            async with asyncio.timeout(sink.timeout_s):
                _, writer = await asyncio.open_connection(host, port, ssl=tls or None)
                writer.close()
        except (OSError, TimeoutError, ssl.SSLError) as error:
            reason = str(error) or "no answer in time"
            mend = "Correct its address in halt400.toml, or the network."
            yield CheckResult("sinks", "failed", f"{name}: {host}:{port} cannot be reached ({reason})", mend)
        else:
            detail = f"{name}: {host}:{port} can be reached; no message was sent, --page sends one"
            yield CheckResult("sinks", "ok", detail)


async def check_api(settings: Settings) -> AsyncIterator[CheckResult]:
    """Ask the API whether its answers are up to date."""
    if not settings.api.port:
        yield CheckResult("API", "skipped", "HALT400_API_PORT=0: its address is not known")
        return
    url = base_url(settings.api.host, settings.api.port)
    try:
        async with httpx.AsyncClient(timeout=5.0) as client:
            answer = await client.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        yield CheckResult("API", "warning", f"nothing answers at {url} ({reason})", "Start a worker, or `halt400 api`.")
        return
    yield _api_result(url, answer)


def _api_result(url: str, answer: httpx.Response) -> CheckResult:
    if answer.status_code == httpx.codes.OK:
        return CheckResult("API", "ok", f"{url} answers and is up to date")
    followers = answer.json().get("followers", []) if "json" in answer.headers.get("Content-Type", "") else []
    if followers and all(one["caught_up"] for one in followers):
        return CheckResult(
            "API", "warning", f"{url} is stale: Kafka does not answer it", "Start Kafka; it goes on by itself."
        )
    mend = "Wait a moment; where it stays so, look at the log of that process."
    return CheckResult("API", "warning", f"{url} answers {answer.status_code}: it has not read its topics", mend)
