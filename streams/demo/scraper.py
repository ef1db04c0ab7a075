"""The demonstration's scraper: httpx with our transport, a queue of products, and a usual retry policy."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from halt400.errors import JobQuarantined
from halt400.gate import Gate
from halt400.guard import RequestGuard
from halt400.integrations.httpx import Halt400Transport
from halt400.proxies import ProxyPool
from halt400.publisher import Publisher

__all__ = ["BROKEN_RELEASE", "GOOD_RELEASE", "DemoScraper", "ScraperRelease", "ScraperRun"]

ATTEMPTS = 3
PAUSE_S = 0.02


@dataclass(frozen=True)
class ScraperRelease:
    """One release of the scraper: `template` is the body that it sends, ``%d`` the product."""

    version: str
    template: str

    def body(self, product: int) -> bytes:
        """Return the body of the request for `product`."""
        return (self.template % product).encode()


GOOD_RELEASE = ScraperRelease("2.3.0", '{"query": "{ product(id: %d) { name, price } }"}')
BROKEN_RELEASE = ScraperRelease("2.4.0", '{"query": "{ product(id: %d) { name, price } }", }')


@dataclass
class ScraperRun:
    """What one run of the scraper did.

    Attributes
    ----------
    planned, sent, bad_requests
        Requests of the queue, those that were sent, and those of them with a 400 in response.
    retries_aborted
        Retries that the gate refused.
    halted_by
        The gate's error that ended the run, None where the queue was worked off.
    """

    planned: int
    sent: int = 0
    bad_requests: int = 0
    retries_aborted: int = 0
    halted_by: JobQuarantined | None = None

    @property
    def not_sent(self) -> int:
        """Requests that were not sent because of the gate."""
        return self.planned - self.sent


class DemoScraper:
    """Requests products from a shop, through one proxy for the whole run.

    Parameters
    ----------
    url, target, job_id
        What is scraped, and under which names.
    on_bad_request
        Called with each response that is a 400, as it comes.
    on_retry_aborted
        Called when the gate refuses a retry.
    """

    def __init__(
        self,
        url: str,
        *,
        target: str,
        job_id: str,
        publisher: Publisher,
        gate: Gate,
        pool: ProxyPool,
        on_bad_request: Callable[[httpx.Response, int, str], None],
        on_retry_aborted: Callable[[JobQuarantined], None],
    ) -> None:
        self._url = url
        self._target = target
        self._job_id = job_id
        self._publisher = publisher
        self._gate = gate
        self._pool = pool
        self._on_bad_request = on_bad_request
        self._on_retry_aborted = on_retry_aborted

    async def run(self, release: ScraperRelease, products: Sequence[int]) -> ScraperRun:
        """Work off `products`, until the gate halts the job."""
        run = ScraperRun(planned=len(products))
        async with self._pool.lease(self._target, self._job_id) as lease:
            guard = RequestGuard(
                self._publisher, self._gate, job_id=self._job_id, release=release.version, worker="demo"
            )
            transport = Halt400Transport(guard, httpx.AsyncHTTPTransport(proxy=lease.url), lease=lease)
            async with httpx.AsyncClient(transport=transport, timeout=10) as client:
                for product in products:
                    try:
                        await self._fetch(client, release, product, lease.proxy_id, run)
                    except JobQuarantined as halted:
                        if halted.command is None:
                            raise
                        run.halted_by = halted
                        self._gate.count_not_sent(halted.command, run.not_sent - 1)
                        break
                    await asyncio.sleep(PAUSE_S)
        return run

    async def _fetch(
        self, client: httpx.AsyncClient, release: ScraperRelease, product: int, proxy_id: str, run: ScraperRun
    ) -> None:
        """Request one product, and again where that fails: a retry policy that does not know Halt400."""
        request = client.build_request(
            "POST", self._url, content=release.body(product), headers={"Content-Type": "application/json"}
        )
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await client.send(request)
            except JobQuarantined as error:
                if attempt > 1:
                    run.retries_aborted += 1
                    self._on_retry_aborted(error)
                    if error.command is None:
                        return
                raise
            run.sent += attempt == 1
            if response.status_code < 400:
                return
            if response.status_code == 400:
                run.bad_requests += 1
                self._on_bad_request(response, product, proxy_id)
