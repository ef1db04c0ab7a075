"""Scrape a shop with aiohttp. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that one."""

import asyncio

import aiohttp
from shop import shop

from halt400 import Guard, JobQuarantined
from halt400.integrations.aiohttp import Halt400Middleware

RELEASES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}


async def scrape(url: str, release: str, body: str) -> None:
    async with Guard(job_id="example-aiohttp", release=release) as guard:
        async with aiohttp.ClientSession(middlewares=(Halt400Middleware(guard),)) as session:
            for number in range(1, 11):
                try:
                    async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                        print(f"{release}: request {number} got {response.status}")
                except JobQuarantined as halted:
                    print(f"{release}: request {number} is not sent. {halted}")
                    break
                await asyncio.sleep(0.1)


async def main() -> None:
    with shop() as url:
        for release, body in RELEASES.items():
            await scrape(url, release, body)


asyncio.run(main())
