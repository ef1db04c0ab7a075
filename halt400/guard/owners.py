"""The guard with publisher and gate of its own: one object to make, enter and leave."""

import logging
import threading
from typing import Any, Literal

from halt400.forks import in_child
from halt400.gate import Gate
from halt400.guard.local_breaker import LocalBreaker
from halt400.guard.request_guard import RequestGuard
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher
from halt400.start_stop import Closing, StartStop
from halt400.sync import SyncGate, SyncPublisher

__all__ = ["Guard", "SyncGuard"]

log = logging.getLogger(__name__)

LocalHoldOption = LocalBreaker | Literal["default"] | None
CATCH_UP_S = 5.0


def _breaker(local_hold: LocalHoldOption) -> LocalBreaker | None:
    return LocalBreaker() if local_hold == "default" else local_hold


def _warn_of_what_is_missing(caught_up: bool, catch_up_s: float) -> None:
    if not caught_up:
        log.warning(
            "Kafka was not read within %g s: requests pass as if nothing were quarantined until it is.", catch_up_s
        )


class Guard(RequestGuard, StartStop):
    """A `RequestGuard` for asyncio that starts and stops its own `Publisher` and `Gate`.

    Entering connects in the background and waits, at most `catch_up_s` seconds, until every quarantine so far is known.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``; default: the variables ``HALT400_KAFKA_*``.
    job_id
        The scraping job, which is what a quarantine halts.
    fail_open
        Whether requests pass while nothing fresh is known of quarantines, see `Gate`.
    catch_up_s
        Longest wait for the quarantines so far when entering, in seconds; 0 does not wait.
    local_hold
        The circuit breaker of this process; ``None`` for none.
    options
        What else `RequestGuard` takes: `run_id`, `release`, `worker`, `region`, `target`, `preflight`, ...

    Examples
    --------
    >>> async def scrape() -> None:
    ...     async with Guard("kafka:9092", job_id="extract-099", release="2.4.0") as guard:
    ...         async with httpx.AsyncClient(transport=Halt400Transport(guard)) as client:
    ...             await client.get("https://api.shop.example/products")
    """

    publisher: Publisher
    gate: Gate

    def __init__(
        self,
        kafka: str | KafkaConnection | None = None,
        *,
        job_id: str,
        fail_open: bool = True,
        catch_up_s: float = CATCH_UP_S,
        local_hold: LocalHoldOption = "default",
        **options: Any,
    ) -> None:
        connection = KafkaConnection.from_environment() if kafka is None else KafkaConnection.of(kafka)
        gate = Gate(connection, fail_open=fail_open)
        super().__init__(Publisher(connection), gate, job_id=job_id, local_hold=_breaker(local_hold), **options)
        self._catch_up_s = catch_up_s

    async def start(self) -> None:
        """Start publisher and gate, and wait for what is quarantined already.

        Raises
        ------
        BrokerUnavailable
            Nothing is known within `catch_up_s`, and `fail_open` is False.
        """
        self.publisher.start()
        try:
            await self.gate.start()
            if self._catch_up_s > 0:
                _warn_of_what_is_missing(await self.gate.wait_caught_up(self._catch_up_s), self._catch_up_s)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send what is there for a few seconds, then stop both."""
        self.publish_what_is_known()
        await self.gate.stop()
        await self.publisher.stop()


class SyncGuard(RequestGuard, Closing):
    """The same for synchronous code, from any number of threads, and in child processes of a fork.

    It works until it is closed, at the latest when the interpreter exits. Parameters as for `Guard`.

    Examples
    --------
    >>> def scrape() -> None:
    ...     with SyncGuard("kafka:9092", job_id="extract-099") as guard, requests.Session() as session:
    ...         protect(session, guard)
    ...         session.get("https://api.shop.example/products")
    """

    publisher: SyncPublisher
    gate: SyncGate

    def __init__(
        self,
        kafka: str | KafkaConnection | None = None,
        *,
        job_id: str,
        fail_open: bool = True,
        catch_up_s: float = CATCH_UP_S,
        local_hold: LocalHoldOption = "default",
        **options: Any,
    ) -> None:
        connection = KafkaConnection.from_environment() if kafka is None else KafkaConnection.of(kafka)
        publisher, gate = SyncPublisher(connection), SyncGate(connection, fail_open=fail_open)
        try:
            super().__init__(publisher, gate, job_id=job_id, local_hold=_breaker(local_hold), **options)
            in_child(self._forked)
            if catch_up_s > 0:
                _warn_of_what_is_missing(gate.wait_caught_up(catch_up_s), catch_up_s)
        except BaseException:
            gate.close()
            publisher.close()
            raise

    def _forked(self) -> None:
        # Another thread of the parent may have held it.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Send what is there for a few seconds, then stop publisher and gate."""
        self.publish_what_is_known()
        self.gate.close()
        self.publisher.close()
