"""Make the pictures of the page in docs/images: ``python docs/images/record_page.py``; with ``--serve`` only run it.

A local Kafka, a worker and an hour of traffic, and Debian's Chromium in both schemes.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
from page_traffic import publish_traffic
from playwright.async_api import async_playwright
from rich.console import Console

from streams.api.server import base_url
from streams.cli.local_stack import local_stack
from streams.local.ports import free_ports

HERE = Path(__file__).parent
MOST_BYTES = 300_000
SETTLES_MS = 300
WIDTHS = {"": (1280, 860), "-phone": (390, 844)}
SCREENS = {
    "fleet": "/",
    "target": "/targets/api.shop.example",
    "quarantines": "/quarantines",
    "offences": "/offences",
    "findings": "/findings",
    "alerts": "/alerts",
    "diagnose": "/diagnose",
    "policies": "/policies?target=api.shop.example",
    "system": "/system",
    "dead-letter": "/system",
}
PHONE = ("fleet", "target")
ALERTS = """
[alerts.sink.pager]
kind = "stdout"
[alerts.sink.channel]
kind = "stdout"
[[alerts.route]]
name = "pages"
severity = "page"
sinks = ["pager"]
[[alerts.route]]
name = "shop"
target = "*.shop.example"
sinks = ["channel"]
escalate_to = "pages"
"""
BROKEN = """curl https://api.shop.example/v2/search -H 'Content-Type: application/json' --data '{"page": 42, }'"""


async def record(url: str, directory: Path, *, every_width: bool = False) -> None:
    """Write a picture of each screen in both schemes; the phone's of some of them only."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome")
        )
        for scheme in ("light", "dark"):
            for suffix, (width, height) in WIDTHS.items():
                context = await browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
                )
                page = await context.new_page()
                for name, path in SCREENS.items():
                    if suffix and name not in PHONE and not every_width:
                        continue
                    await page.goto(url + path)
                    if name == "diagnose":
                        await page.fill("textarea", BROKEN)
                        await page.click("main button[type=submit]")
                    if name == "policies":
                        await page.fill("#hold-min", "30")
                        await page.click("text=Try on the last 24 hours")
                        await page.wait_for_selector("[aria-label='Both rules']")
                        await page.locator("[aria-label='Both rules']").scroll_into_view_if_needed()
                    if name == "dead-letter":
                        await page.click("a[href^='/dead-letters/']")
                        await page.wait_for_selector("text=Dead letter")
                    if name == "offences":
                        await page.click("main table a >> nth=0")
                        await page.wait_for_selector("pre#request")
                    await page.wait_for_timeout(SETTLES_MS)
                    file = directory / f"page-{name if name != 'offences' else 'offence'}{suffix}-{scheme}.png"
                    await page.screenshot(path=file, full_page=every_width)
                    if file.stat().st_size > MOST_BYTES and not every_width:
                        raise SystemExit(f"{file} has {file.stat().st_size:,} bytes, more than {MOST_BYTES:,}")
                await context.close()
        await browser.close()


async def wait_for_fleet(url: str, worst: str) -> None:
    """Wait until the worst target is halted."""
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):
        while True:
            answer = await client.get("/v1/quarantines", params={"target": worst})
            if answer.status_code == 200 and answer.json()["total"]:
                return
            await asyncio.sleep(0.2)


def main() -> None:
    """Start everything, publish, and take the pictures."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="halt400-") as archive:
        os.environ.setdefault("HALT400_API_PORT", str(port))
        os.environ.setdefault("HALT400_ARCHIVE_URI", Path(archive).as_uri())
        config = Path(archive) / "halt400.toml"
        config.write_text(ALERTS)
        os.environ.setdefault("HALT400_CONFIG_PATH", str(config))
        with local_stack(Console()) as settings:
            url = base_url(settings.api.host, settings.api.port)
            asyncio.run(publish_traffic(settings.kafka))
            asyncio.run(wait_for_fleet(url, "booking.example"))
            if "--serve" in sys.argv:
                input(f"{url} and {settings.kafka.bootstrap_servers}; Enter stops it. ")
            else:
                asyncio.run(record(url, HERE))


if __name__ == "__main__":
    main()
