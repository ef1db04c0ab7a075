"""A small pool of proxies with reputations, for scrapers that have no pool.

A lease is released with or without blame. A bad request must not cost its proxy the reputation: leases that a
quarantine ends are released without blame.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from halt400.records import Command

__all__ = ["Lease", "ProxyPool", "Released", "proxy_id_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """The right to send through one proxy, until it is released.

    Attributes
    ----------
    proxy_id
        Host and port of the proxy, its name in events and logs.
    url
        Its URL, which may contain user and password.
    pool
        The pool's name.
    target, job_id
        Who took it.
    """

    proxy_id: str
    url: str = field(repr=False)
    pool: str
    target: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Released:
    """A lease was released; `score` (0-1) is the proxy's reputation after it, which `blame` has lowered."""

    lease: Lease
    blame: bool
    score: float


@dataclass(slots=True)
class _Proxy:
    url: str
    leases: int = 0
    last_used: int = 0
    penalty: float = 0.0
    penalty_at: float = 0.0


class ProxyPool:
    """Leases proxies: the one with the best reputation first, of equals the one that was unused longest.

    A proxy's score is 1 at best. Each blame halves it, and half of a loss is recovered after `half_life_s`.

    Parameters
    ----------
    urls
        ``http://user:password@host:port`` of each proxy.
    name
        The pool's name in events.
    leases_per_proxy
        Most leases of one proxy at the same time.
    half_life_s
        Seconds after which half of a loss is recovered.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> async def fetch(pool: ProxyPool) -> None:
    ...     async with pool.lease("api.shop.example", "extract-099") as lease:
    ...         await send_through(lease.url)
    """

    def __init__(
        self,
        urls: Iterable[str],
        *,
        name: str = "default",
        leases_per_proxy: int = 1,
        half_life_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._leases_per_proxy = leases_per_proxy
        self._half_life_s = half_life_s
        self._clock = clock
        self._uses = count(1)
        self._proxies = {proxy_id_of(url): _Proxy(url) for url in urls}
        if not self._proxies:
            raise ValueError("a proxy pool needs at least one proxy")
        self._leases: set[Lease] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._callbacks: list[Callable[[Released], None]] = []

    async def acquire(self, target: str, job_id: str) -> Lease:
        """Take a lease; waits if all are taken."""
        while (lease := self._take(target, job_id)) is None:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake_next()
                raise
            finally:
                self._waiting.remove(turn)
        return lease

    def release(self, lease: Lease, *, blame: bool = False) -> None:
        """Release a lease; with `blame` the proxy loses reputation. A released lease is ignored."""
        if lease not in self._leases:
            return
        self._leases.remove(lease)
        proxy = self._proxies[lease.proxy_id]
        proxy.leases -= 1
        if blame:
            penalty = self._penalty(proxy)
            proxy.penalty, proxy.penalty_at = penalty + (1 - penalty) / 2, self._clock()
        released = Released(lease, blame, self.score(lease.proxy_id))
        self._wake_next()
        for callback in self._callbacks:
            callback(released)

    @asynccontextmanager
    async def lease(self, target: str, job_id: str) -> AsyncIterator[Lease]:
        """Take a lease for the length of a block; to blame the proxy, `release` it inside the block."""
        lease = await self.acquire(target, job_id)
        try:
            yield lease
        finally:
            self.release(lease)

    def obey(self, command: Command) -> None:
        """Release the leases of what `command` quarantines, with the blame that it states.

        Use it as ``gate.on_change(pool.obey)``.
        """
        scope = command.scope
        if command.state != "quarantined" or scope.kind == "request":
            return
        for lease in list(self._leases):
            if lease.target == scope.target and (scope.kind == "target" or lease.job_id == scope.job_id):
                self.release(lease, blame=command.proxy_blame)

    def score(self, proxy_id: str) -> float:
        """Return the reputation of a proxy, 0-1."""
        return 1 - self._penalty(self._proxies[proxy_id])

    def scores(self) -> dict[str, float]:
        """Return every proxy's reputation, 0-1, by its id."""
        return {proxy_id: self.score(proxy_id) for proxy_id in self._proxies}

    @property
    def leases(self) -> frozenset[Lease]:
        """The leases that are not released."""
        return frozenset(self._leases)

    def on_release(self, callback: Callable[[Released], None]) -> None:
        """Call `callback` with each lease that is released."""
        self._callbacks.append(callback)

    def _wake_next(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
                break

    def _take(self, target: str, job_id: str) -> Lease | None:
        free = [
            (-self.score(proxy_id), proxy.leases, proxy.last_used, proxy_id)
            for proxy_id, proxy in self._proxies.items()
            if proxy.leases < self._leases_per_proxy
        ]
        if not free:
            return None
        proxy_id = min(free)[-1]
        proxy = self._proxies[proxy_id]
        proxy.leases += 1
        proxy.last_used = next(self._uses)
        lease = Lease(proxy_id, proxy.url, self.name, target, job_id)
        self._leases.add(lease)
        return lease

    def _penalty(self, proxy: _Proxy) -> float:
        if not proxy.penalty:
            return 0.0
        penalty = float(proxy.penalty * 0.5 ** ((self._clock() - proxy.penalty_at) / self._half_life_s))
        return penalty if penalty > 0.001 else 0.0


@lru_cache(maxsize=1_024)
def proxy_id_of(url: str) -> str:
    """Name a proxy by host and port, without user and password.

    Examples
    --------
    >>> proxy_id_of("http://user:secret@proxy-1.example:3128/"), proxy_id_of("proxy-2.example:3128")
    ('proxy-1.example:3128', 'proxy-2.example:3128')
    """
    return url.rpartition("//")[2].rpartition("@")[2].partition("/")[0]
