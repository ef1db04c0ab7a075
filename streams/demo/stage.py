"""The stage: shop, proxies and scraper, from the first good request to the end of the broken release."""

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
from streams.demo.proxy import forward_proxies
from streams.demo.scraper import BROKEN_RELEASE, GOOD_RELEASE, Scraper
from streams.demo.story import DemoOutcome, Story
from streams.demo.witness import Witness
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
        End when all was seen or the deadline has passed. Otherwise go on telling what becomes of the job until
        cancelled.

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
    story = Story(console)
    async with AsyncExitStack() as stack:
        rates = await stack.enter_async_context(Follower(kafka, kafka.topic(RATES), at_start="raise"))
        gate = await stack.enter_async_context(Gate(kafka))
        publisher = await stack.enter_async_context(Publisher(kafka))
        url = await stack.enter_async_context(shop())
        pool = ProxyPool(await stack.enter_async_context(forward_proxies(3)), name="demo")
        await gate.wait_caught_up()

        target, job_id = target_of(url), f"extract-{secrets.token_hex(3)}"
        witness = Witness(story, kafka.topic(CONTROL), target, job_id, settings)
        scraper = Scraper(
            url,
            target=target,
            job_id=job_id,
            publisher=publisher,
            gate=gate,
            pool=pool,
            on_refused=witness.response_refused,
            on_retry_aborted=witness.retry_aborted,
        )
        story.say(f"\n[bold]The scraper[/] {job_id} asks {url} through {len(pool.scores())} proxies.")
        good = await scraper.run(GOOD_RELEASE, GOOD_PRODUCTS)
        await _counted(rates, target)
        story.say(
            f"[bold]Release {GOOD_RELEASE.version}[/]: {good.sent} requests, {good.refused} refused; the worker counts."
        )

        gate.on_change(witness.command_seen)
        gate.on_change(pool.obey)
        pool.on_release(witness.proxy_released)
        story.say(
            f"[bold]Release {BROKEN_RELEASE.version}[/] sends {escape(BROKEN_RELEASE.template % BROKEN_PRODUCTS[0])}\n"
        )
        archived = asyncio.create_task(witness.payload_saved())
        try:
            async with asyncio.timeout(STEP_DEADLINE_S):
                run = await scraper.run(BROKEN_RELEASE, BROKEN_PRODUCTS)
                witness.run_ended(run)
                await archived
        except TimeoutError:
            missing = ", ".join(story.outcome.missing)
            story.say(f"[bold red]Not seen within {STEP_DEADLINE_S:g} s:[/] {missing}. {escape(witness.obstacle)}")
        finally:
            archived.cancel()
            with suppress(asyncio.CancelledError):
                await archived
        witness.conclude()
        if not once:
            await witness.go_on(gate)
    return story.outcome


async def _counted(rates: Follower, target: str) -> None:
    """Wait until the worker has written a row for the target: it runs, and reads what is published."""
    try:
        async with asyncio.timeout(WORKER_DEADLINE_S):
            await rates.wait_until(lambda rows: target.encode() in rows)
    except TimeoutError:
        raise Halt400Error(
            f"No worker has counted the demonstration's requests within {WORKER_DEADLINE_S:g} s.",
            "Start one with `halt400 worker`.",
        ) from None
