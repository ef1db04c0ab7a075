"""Halt400 for Scrapy: an add-on, switched on by one line of the project's settings.

::

    ADDONS = {"halt400.integrations.scrapy.Halt400Addon": 300}

Every response that the downloader saw is published; a 400 is not retried; requests that the gate refuses are dropped
with ``IgnoreRequest``; the spider is closed with reason ``halt400`` when nothing that it asks for may be sent any more.
Works with every Twisted reactor: publisher and gate have threads of their own. docs/sdk/scrapy.md has the settings.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import scrapy
from scrapy import signals
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.threads import deferToThread

from halt400.errors import Halt400Error, JobQuarantined
from halt400.events import BODY_LIMIT_BYTES
from halt400.fingerprints import fingerprint_request
from halt400.guard import GuardedRequest, SyncGuard
from halt400.guard.content_coding import without_content_coding
from halt400.integrations.scrapy_halting import Halting
from halt400.integrations.scrapy_settings import Halt400Settings
from halt400.proxies import proxy_id_of
from halt400.records import Command, Request

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.settings import BaseSettings

__all__ = ["Halt400Addon", "Halt400DownloaderMiddleware", "job_quarantined", "request_refused"]

log = logging.getLogger(__name__)

request_refused = object()
"""Signal: a request was not sent. Arguments: ``request``, ``error`` (`JobQuarantined`), ``spider``."""
job_quarantined = object()
"""Signal: a quarantine of this job, or of one of its targets, has come. Arguments: ``command``, ``spider``."""

MIDDLEWARE_ORDER = 990
"""Next to the downloader: what retries and redirects hide is seen, what the cache answers is not."""

MOST_UNDER_WAY = 100_000
"""Requests that are remembered until their response; a middleware behind this one may take a request away for good."""
STATS_EVERY_S = 1.0
"""How long the stats may lag behind while responses are awaited: Scrapy takes as long to count as we to publish."""

_ONE_REQUEST_COMMANDS = frozenset({"bench", "check", "fetch", "parse", "shell", "view"})
_BAD_REQUEST = "halt400_bad_request"
_HTTP_VERSIONS: dict[str | None, str] = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "h2": "2"}


class Halt400Addon:
    """The add-on: switches the middleware on, and takes 400 out of the statuses that are retried."""

    def update_settings(self, settings: "BaseSettings") -> None:
        """Change the project's settings.

        Raises
        ------
        NotConfigured
            ``HALT400_ENABLED`` is off, or a person tries single requests, as ``scrapy shell`` and ``scrapy parse`` do.
        """
        if not settings.getbool("HALT400_ENABLED", True) or _command() in _ONE_REQUEST_COMMANDS:
            raise NotConfigured
        settings["DOWNLOADER_MIDDLEWARES"][Halt400DownloaderMiddleware] = MIDDLEWARE_ORDER
        retried = settings.getlist("RETRY_HTTP_CODES")
        if "400" in map(str, retried):
            log.warning("RETRY_HTTP_CODES lists 400, which is never retried: it is taken out.")
            kept = [status for status in retried if str(status) != "400"]
            settings.set("RETRY_HTTP_CODES", kept, priority=settings.getpriority("RETRY_HTTP_CODES") or 0)


def _command() -> str | None:
    """The Scrapy command that this process runs, None in a script."""
    program = Path(sys.argv[0])
    if program.stem != "scrapy" and program.parts[-2:] != ("scrapy", "__main__.py"):
        return None
    # Scrapy takes its command out of `sys.argv`.
    words = iter(sys.orig_argv)
    next((word for word in words if Path(word).stem == "scrapy"), None)
    return next((word for word in words if not word.startswith("-")), None)


class Halt400DownloaderMiddleware:
    """The downloader middleware: asks the guard before each download, and publishes what came of it."""

    def __init__(self, crawler: "Crawler") -> None:
        self._crawler = crawler
        self._settings = Halt400Settings.read(crawler.settings, os.environ)
        self._guard: SyncGuard | None = None
        self._halting: Halting | None = None
        self._sending: dict[scrapy.Request, GuardedRequest] = {}
        self._published = 0
        self._stats_due_at = 0.0
        assert crawler.stats is not None
        # Looked up once: Scrapy's collector of stats makes each look-up dear.
        self._increase = crawler.stats.inc_value

    @classmethod
    def from_crawler(cls, crawler: "Crawler") -> Self:
        """Make it for one crawl."""
        middleware = cls(crawler)
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(middleware.spider_idle, signal=signals.spider_idle)
        crawler.signals.connect(middleware.spider_closed, signal=signals.spider_closed)
        return middleware

    async def spider_opened(self, spider: scrapy.Spider) -> None:
        """Connect in a thread, and wait there for what is quarantined already; the reactor goes on."""
        settings = self._settings

        def start() -> None:
            try:
                guard = settings.new_guard(spider.name, client_version=scrapy.__version__)
            except Halt400Error as error:
                # The crawl is worth more than being watched.
                log.error("Halt400 is off for this crawl: %s", error)
                return
            self._halting = Halting(self._crawler, guard, settings.on_quarantine)
            guard.gate.on_change(self._on_change)
            self._guard = guard
            log.info("Responses of job %s go to Kafka at %s.", guard.job_id, settings.kafka.servers)

        await maybe_deferred_to_future(deferToThread(start))

    def spider_idle(self) -> None:
        """Say why a crawl ends of which every request was refused; raises ``CloseSpider``."""
        if self._halting is not None:
            self._halting.idle()

    async def spider_closed(self) -> None:
        """Send what is there, for a few seconds, in a thread."""
        self._count_published()
        guard, self._guard = self._guard, None
        if guard is not None:
            await maybe_deferred_to_future(deferToThread(guard.close))

    def _on_change(self, command: Command) -> None:
        """Take a command from the gate's thread to the reactor's."""
        from twisted.internet import reactor

        reactor.callFromThread(self._take_command, command)

    def _take_command(self, command: Command) -> None:
        halting, guard = self._halting, self._guard
        if halting is None or guard is None or command.scope.job_id not in (None, guard.job_id):
            return
        if command.state == "quarantined":
            self._crawler.signals.send_catch_log(job_quarantined, command=command, spider=self._crawler.spider)
        halting.command_came(command)

    def process_request(self, request: scrapy.Request, spider: scrapy.Spider | None = None) -> scrapy.Request | None:
        """Ask for one download."""
        guard = self._guard
        if guard is None or not request.url.startswith(("http:", "https:")):
            return None
        meta = request.meta
        bad_request = meta.get(_BAD_REQUEST)
        try:
            sending = guard.admit(
                request.method,
                request.url,
                headers=lambda: _own_headers(request),
                body=request.body,
                attempt=int(meta.get("retry_times", 0)) + 1,
                answered_400=bad_request is not None and bad_request == _fingerprint(request),
            )
        except Halt400Error as error:
            return self._refused(request, error)
        if len(self._sending) >= MOST_UNDER_WAY:
            del self._sending[next(iter(self._sending))]
        self._sending[request] = sending
        if self._halting is not None:
            self._halting.admitted(sending.target)
        return None

    def _refused(self, request: scrapy.Request, error: Halt400Error) -> scrapy.Request:
        halting = self._halting
        command = error.command if isinstance(error, JobQuarantined) else None
        if halting is not None and command is not None:
            halting.refused(command)
            if halting.keeps_requests:
                return request.replace(dont_filter=True)
        self._increase("halt400/refused")
        self._increase("halt400/saved")
        self._crawler.signals.send_catch_log(request_refused, request=request, error=error, spider=self._crawler.spider)
        raise IgnoreRequest(f"Halt400: {error}") from error

    def process_response(
        self, request: scrapy.Request, response: "Response", spider: scrapy.Spider | None = None
    ) -> "Response":
        """Publish one response, and mark the request of a 400 so that it is not sent again."""
        sending = self._sending.pop(request, None)
        if sending is None or "cached" in response.flags:
            return response
        status, body = response.status, None
        if sending.received(status):
            request.meta[_BAD_REQUEST] = _fingerprint(request)
            coding = (response.headers.get("Content-Encoding") or b"").decode("latin-1")
            body = without_content_coding(response.body[:BODY_LIMIT_BYTES], coding)
            self._increase("halt400/bad_requests")
        proxy = request.meta.get("proxy")
        sending.publish(
            http_version=_HTTP_VERSIONS.get(response.protocol, "1.1"),
            request_headers=lambda: _texts(request.headers),
            response_headers=lambda: _texts(response.headers),
            response_body=body,
            response_size=len(response.body) if body is None or len(response.body) > BODY_LIMIT_BYTES else None,
            proxy_id=proxy_id_of(proxy) if proxy else None,
        )
        self._published += 1
        if not self._sending or time.monotonic() >= self._stats_due_at:
            self._count_published()
        return response

    def process_exception(
        self, request: scrapy.Request, exception: Exception, spider: scrapy.Spider | None = None
    ) -> None:
        """Forget a request that got no response."""
        self._sending.pop(request, None)
        if not self._sending:
            self._count_published()

    def _count_published(self) -> None:
        if self._published:
            self._increase("halt400/published", self._published)
        self._published, self._stats_due_at = 0, time.monotonic() + STATS_EVERY_S


def _texts(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, values in headers.items() for value in values]


def _own_headers(request: scrapy.Request) -> list[tuple[str, str]]:
    """The headers less the Referer: Scrapy adds one to what a callback yields, which is the same request without it."""
    return [(name, value) for name, value in _texts(request.headers) if name.lower() != "referer"]


def _fingerprint(request: scrapy.Request) -> str:
    body = request.body.decode("utf-8", "replace")
    return fingerprint_request(
        Request(method=request.method, url=request.url, headers=_own_headers(request), body=body)
    )
