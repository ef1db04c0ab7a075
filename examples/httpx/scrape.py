"""Scrape a shop with httpx. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that one."""

import asyncio

import httpx
from shop import shop

from halt400 import Guard, JobQuarantined
from halt400.integrations.httpx import Halt400Transport

RELEASES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}


async def scrape(url: str, release: str, body: str) -> None:
    async with Guard(job_id="example-httpx", release=release) as guard:
        async with httpx.AsyncClient(transport=Halt400Transport(guard)) as client:
            for number in range(1, 11):
                try:
                    response = await client.post(url, content=body, headers={"Content-Type": "application/json"})
                except JobQuarantined as halted:
                    print(f"{release}: request {number} is not sent. {halted}")
                    break
                print(f"{release}: request {number} got {response.status_code}")
                await asyncio.sleep(0.1)


async def main() -> None:
    with shop() as url:
        for release, body in RELEASES.items():
            await scrape(url, release, body)


asyncio.run(main())
