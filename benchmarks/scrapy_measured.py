"""The add-on's middleware with a clock: the processor time that a crawl spends in it, and in Halt400's threads."""

import threading
import time
from typing import TYPE_CHECKING

import scrapy

from halt400.integrations.scrapy import Halt400DownloaderMiddleware

if TYPE_CHECKING:
    from scrapy.http import Response

__all__ = ["MeasuredMiddleware", "threads_cpu_s"]


def threads_cpu_s() -> float:
    """Processor time of the threads of publisher and gate so far."""
    clocks = [
        time.pthread_getcpuclockid(thread.ident)
        for thread in threading.enumerate()
        if thread.name.startswith("halt400") and thread.ident is not None
    ]
    return sum(time.clock_gettime(clock) for clock in clocks)


class MeasuredMiddleware(Halt400DownloaderMiddleware):
    """Adds up in the stats what its calls take."""

    def process_request(self, request: scrapy.Request, spider: scrapy.Spider | None = None) -> scrapy.Request | None:
        """Ask, and note the time."""
        began = time.thread_time()
        try:
            return super().process_request(request)
        finally:
            self._increase("bench/own_cpu_s", time.thread_time() - began)  # type: ignore[arg-type]

    def process_response(
        self, request: scrapy.Request, response: "Response", spider: scrapy.Spider | None = None
    ) -> "Response":
        """Publish, and note the time."""
        began = time.thread_time()
        try:
            return super().process_response(request, response)
        finally:
            self._increase("bench/own_cpu_s", time.thread_time() - began)  # type: ignore[arg-type]
