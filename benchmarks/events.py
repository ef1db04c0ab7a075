"""A fleet's worth of response events: realistic in size and mix, fast to make, the same for the same seed.

Targets are drawn by Zipf's law (the busiest of 1,000 has 13% of all). A 400 carries its request and response bodies, as
the contract asks; a success carries header names and no bodies, about 700 bytes in all.
"""

import hashlib
import random
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import msgspec

from halt400.records import Client, Proxy, Request, Response, ResponseEvent

__all__ = ["Generated", "generate"]

OTHER_STATUSES = {200: 940, 304: 8, 401: 4, 403: 6, 404: 22, 422: 5, 429: 9, 500: 3, 503: 3}
"""Statuses that are no 400, with their weights."""

MALFORMED_BODIES = (
    '{"query": "{ product(id: 42) { name, price } }", }',
    "{'query': 'phones', 'page': 3, 'sort': 'price'}",
    '{"query": "phones", "page": 3, "filters": {"brand": ["acme", "globex"]}',
    '{"query": "5" tablets", "page": 1, "limit": 48}',
    '{"query": "phones", "page": undefined, "limit": NaN}',
)
"""What broken scrapers send as JSON; each is refused by a strict parser."""

_BLOCK = 8192


class Generated(NamedTuple):
    """One event, ready to be produced: `key` and `value` as they go to Kafka, and what is in them."""

    key: bytes
    value: bytes
    target: str
    status: int
    job_id: str


class _Job(NamedTuple):
    key: bytes
    target: str
    job_id: str
    success: bytes
    bad_request: bytes


def generate(
    count: int,
    targets: int = 1000,
    bad_request_ratio: float = 0.005,
    seed: int = 400,
    start_ms: int = 1_760_000_000_000,
    jobs_per_target: int = 4,
    events_per_s: int = 20_000,
) -> Iterator[Generated]:
    """Yield `count` events in the order of their times.

    Parameters
    ----------
    count
        Number of events.
    targets
        Number of targets that they are drawn over, by Zipf's law with exponent 1.
    bad_request_ratio
        Share of 400s, 0-1.
    seed
        The same seed and arguments give the same bytes; different seeds give different event ids.
    start_ms
        Time of the first event, milliseconds since the epoch.
    jobs_per_target
        Jobs that share a target's traffic evenly.
    events_per_s
        How fast event time passes.
    """
    draw = random.Random(seed)
    jobs = [[_job(target, job) for job in range(jobs_per_target)] for target in range(targets)]
    cumulated = list(accumulate(1 / rank for rank in range(1, targets + 1)))
    other_share = (1 - bad_request_ratio) / sum(OTHER_STATUSES.values())
    statuses = [400, *OTHER_STATUSES]
    status_weights = list(
        accumulate([bad_request_ratio, *(weight * other_share for weight in OTHER_STATUSES.values())])
    )
    for first in range(0, count, _BLOCK):
        size = min(_BLOCK, count - first)
        of_target = draw.choices(jobs, cum_weights=cumulated, k=size)
        of_status = draw.choices(statuses, cum_weights=status_weights, k=size)
        # One draw gives the job, the duration, and the trace of an event: these need not be independent.
        of_rest = draw.choices(range(jobs_per_target * 10_000), k=size)
        for number, of_job, status, rest in zip(range(first, first + size), of_target, of_status, of_rest, strict=True):
            job = of_job[rest % jobs_per_target]
            time_ms = start_ms + number * 1000 // events_per_s
            if status == 400:
                value = job.bad_request % (seed, number, time_ms, number, rest % 97, rest, seed, number, number)
            else:
                value = job.success % (seed, number, time_ms, number, status, rest % 97, rest, seed, number, number)
            yield Generated(job.key, value, job.target, status, job.job_id)


_ID, _TIME, _WORKER, _PAGE, _STATUS, _DURATION, _TRACE, _SPAN = (
    "{{id}}",
    1_000_000_000_001,
    "{{worker}}",
    "{{page}}",
    599,
    1_000_002.5,
    "{{trace}}",
    "{{span}}",
)


def _job(target_number: int, job_number: int) -> _Job:
    target = f"api.shop-{target_number:04d}.example"
    job_id = f"extract-{target_number:04d}-{job_number:02d}"
    success = _event(target, job_id, None)
    bad_request = _event(target, job_id, MALFORMED_BODIES[(target_number + job_number) % len(MALFORMED_BODIES)])
    return _Job(target.encode(), target, job_id, _template(success), _template(bad_request))


def _event(target: str, job_id: str, malformed: str | None) -> ResponseEvent:
    url = f"https://{target}/v2/products?category=phones&page={_PAGE}"
    headers = [
        ("Host", target),
        ("User-Agent", "shop-scraper/4.2"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
    ]
    if malformed is None:
        request = Request(method="GET", url=url, headers=headers)
        response = Response(
            status=_STATUS,
            headers=[("Content-Type", "application/json"), ("Server", "cloudfront"), ("Vary", "Accept")],
            body_size=18_342,
        )
    else:
        body = malformed.encode()
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = Request(
            method="POST",
            url=url,
            headers=headers,
            body=malformed,
            body_size=len(body),
            body_sha256=hashlib.sha256(body).hexdigest(),
        )
        answer = '{"error": {"code": "bad_request", "message": "The request body could not be parsed."}}'
        response = Response(
            status=400,
            headers=[("Content-Type", "application/json"), ("Server", "cloudfront")],
            body=answer,
            body_size=len(answer),
        )
    return ResponseEvent(
        id=_ID,
        time=_TIME,
        target=target,
        job_id=job_id,
        request=request,
        response=response,
        run_id="2026-03-02T04",
        release="4.2.1",
        worker=_WORKER,
        proxy=Proxy(id=f"px-{_WORKER}", pool="residential-eu"),
        client=Client(name="httpx", version="0.28.1"),
        duration_ms=_DURATION,
        traceparent=f"00-{_TRACE}-{_SPAN}-01",
    )


def _template(event: ResponseEvent) -> bytes:
    """The event as JSON, with a ``%`` conversion where each event differs."""
    text = msgspec.json.encode(event).decode().replace("%", "%%")
    text = text.replace(f"px-{_WORKER}", "px-eu-0117")
    for held, conversion in (
        (_ID, "%08x-%012x"),
        (str(_TIME), "%d"),
        (_WORKER, "worker-%02d"),
        (_PAGE, "%d"),
        (f'"status":{_STATUS}', '"status":%d'),
        (str(_DURATION), "%d.5"),
        (_TRACE, "%016x%016x"),
        (_SPAN, "%016x"),
    ):
        text = text.replace(held, conversion)
    return text.encode()
