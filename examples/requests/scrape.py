"""Scrape a shop with requests. Release 2.3.0 sends good requests, 2.4.0 broken JSON: Halt400 stops that one."""

import time

import requests
from shop import shop

from halt400 import JobQuarantined, SyncGuard
from halt400.integrations.requests import protect

RELEASES = {
    "2.3.0": '{"query": "{ product(id: 42) { name, price } }"}',
    "2.4.0": '{"query": "{ product(id: 42) { name, price } }", }',
}


def scrape(url: str, release: str, body: str) -> None:
    with SyncGuard(job_id="example-requests", release=release) as guard, requests.Session() as session:
        protect(session, guard)
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
