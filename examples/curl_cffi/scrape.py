"""Scrape a shop with curl_cffi, as Chrome. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that."""

import time

import curl_cffi
from shop import shop

from halt400 import JobQuarantined, SyncGuard
from halt400.integrations.curl_cffi import protect

RELEASES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}


def scrape(url: str, release: str, body: str) -> None:
    with SyncGuard(job_id="example-curl-cffi", release=release) as guard:
        with protect(curl_cffi.Session(impersonate="chrome"), guard) as session:
            for number in range(1, 11):
                try:
                    response = session.post(url, data=body, headers={"Content-Type": "application/json"})
                except JobQuarantined as halted:
                    print(f"{release}: request {number} is not sent. {halted}")
                    break
                print(f"{release}: request {number} got {response.status_code}")
                time.sleep(0.1)


with shop() as url:
    for release, body in RELEASES.items():
        scrape(url, release, body)
