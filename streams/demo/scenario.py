"""The demonstration's course: a good release of a scraper, then a broken one, until its job is halted."""

import asyncio
import secrets
from contextlib import AsyncExitStack, suppress

from rich.console import Console
from rich.markup import escape

from halt400.errors import Halt400Error
from halt400.events import target_of
from halt400.gate import Gate
from halt400.kafka.follower import Follower
from halt400.proxies import ProxyPool
from halt400.publisher import Publisher
from streams.demo.api import shop
from streams.demo.observer import Observer
from streams.demo.proxy import forward_proxies
from streams.demo.scraper import BROKEN_RELEASE, GOOD_RELEASE, DemoScraper
from streams.demo.steps import DemoOutcome, StepLog
from streams.settings import Settings
from streams.topics import CONTROL, RATES

__all__ = ["run_demo"]

GOOD_PRODUCTS = range(2, 42)
BROKEN_PRODUCTS = range(42, 5042)
WORKER_DEADLINE_S = 20.0
STEP_DEADLINE_S = 30.0


async def run_demo(settings: Settings, console: Console, *, once: bool) -> DemoOutcome:
    """Show a job being halted, on a cluster where a worker runs.

    Parameters
    ----------
    settings
        Cluster and archive.
    console
        Where it is shown.
    once
        End when all was seen or the deadline has passed. Otherwise go on showing the job's commands until cancelled.

    Returns
    -------
    DemoOutcome
        ``complete`` only if every step was seen.

    Raises
    ------
    BrokerUnavailable, TopicMismatch
        There is no cluster, or it lacks the topics.
    Halt400Error
        No worker reads them.
    """
    kafka = settings.kafka.connection
    log = StepLog(console)
    async with AsyncExitStack() as stack:
        rates = await stack.enter_async_context(Follower(kafka, kafka.topic(RATES), at_start="raise"))
        gate = await stack.enter_async_context(Gate(kafka))
        publisher = await stack.enter_async_context(Publisher(kafka))
        url = await stack.enter_async_context(shop())
        pool = ProxyPool(await stack.enter_async_context(forward_proxies(3)), name="demo")
        await gate.wait_caught_up()
        target, job_id = target_of(url), f"extract-{secrets.token_hex(3)}"
        observer = Observer(log, kafka.topic(CONTROL), target, job_id, settings.archive)
        scraper = DemoScraper(
            url,
            target=target,
            job_id=job_id,
            publisher=publisher,
            gate=gate,
            pool=pool,
            on_bad_request=observer.on_bad_request,
            on_retry_aborted=observer.on_retry_aborted,
        )
        log.print(f"\n[bold]The scraper[/] {job_id} asks {url} through {len(pool.scores())} proxies.")
        good = await scraper.run(GOOD_RELEASE, GOOD_PRODUCTS)
        await _wait_until_counted(rates, target)
        log.print(
            f"[bold]Release {GOOD_RELEASE.version}[/]: {good.sent} requests, {good.bad_requests} with a 400; "
            "the worker counts them."
        )
        gate.on_change(observer.on_command)
        gate.on_change(pool.obey)
        pool.on_release(observer.on_proxy_released)
        await _run_broken_release(scraper, observer, log)
        observer.print_diagnosis()
        if not once:
            await observer.follow(gate)
    return log.outcome


async def _run_broken_release(scraper: DemoScraper, observer: Observer, log: StepLog) -> None:
    """Run the broken release until every step was seen, or the deadline has passed."""
    log.print(
        f"[bold]Release {BROKEN_RELEASE.version}[/] sends {escape(BROKEN_RELEASE.template % BROKEN_PRODUCTS[0])}\n"
    )
    evidence = asyncio.create_task(observer.wait_for_evidence())
    try:
        async with asyncio.timeout(STEP_DEADLINE_S):
            observer.on_run_ended(await scraper.run(BROKEN_RELEASE, BROKEN_PRODUCTS))
            await evidence
    except TimeoutError:
        missing = ", ".join(log.outcome.missing)
        log.print(f"[bold red]Not seen within {STEP_DEADLINE_S:g} s:[/] {missing}. {escape(observer.last_error)}")
    finally:
        evidence.cancel()
        with suppress(asyncio.CancelledError):
            await evidence


async def _wait_until_counted(rates: Follower, target: str) -> None:
    """Wait until a worker has written a row for the target: it runs, and reads what is published."""
    try:
        async with asyncio.timeout(WORKER_DEADLINE_S):
            await rates.wait_until(lambda rows: target.encode() in rows)
    except TimeoutError:
        raise Halt400Error(
            f"No worker has counted the demonstration's requests within {WORKER_DEADLINE_S:g} s.",
            "Start one with `halt400 worker`.",
        ) from None
