"""Crawl a shop with Scrapy. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that one."""

import subprocess
import sys

from shop import shop

with shop() as url:
    for release in ("2.3.0", "2.4.0"):
        crawl = ["crawl", "shop", "-a", f"url={url}", "-a", f"release={release}", "-s", f"HALT400_RELEASE={release}"]
        subprocess.run([sys.executable, "-m", "scrapy", *crawl], check=True)
