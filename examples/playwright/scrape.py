"""Scrape a shop's page with Playwright. Release 2.3.0 asks it well, 2.4.0 by broken JSON: Halt400 stops that one."""

import asyncio
import os

from playwright.async_api import BrowserContext, async_playwright
from shop import shop

from halt400 import Guard, JobQuarantined
from halt400.integrations.playwright import protect

RELEASES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}
ASK = """async body => {
  const headers = {"Content-Type": "application/json"};
  return (await fetch("/graphql", {method: "POST", headers, body})).status;
}"""


async def scrape(url: str, release: str, body: str, context: BrowserContext) -> None:
    async with Guard(job_id="example-playwright", release=release) as guard:
        page = await (await protect(context, guard)).new_page()
        await page.goto(url)
        for number in range(1, 11):
            try:
                status = await page.evaluate(ASK, body)
            except JobQuarantined as halted:
                print(f"{release}: request {number} is not sent. {halted}")
                break
            print(f"{release}: request {number} got {status}")
            await asyncio.sleep(0.1)
        await context.close()


async def main() -> None:
    with shop() as url:
        async with async_playwright() as playwright:
            # Playwright's own Chromium unless another is named.
            browser = await playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"))
            for release, body in RELEASES.items():
                await scrape(url, release, body, await browser.new_context())
            await browser.close()


asyncio.run(main())
