"""The scores of the diagnosis against corpora that nobody here wrote, and against our own.

``python -m benchmarks diagnosis [--json] [--verbose]`` prints a confusion table and fails below the bars. Where a
corpus is absent, its score is left out, and that is said. What a preflight, a typical 400 and the slowest
megabyte cost has bars, too: on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

from benchmarks.diagnosis_corpora import CORPORA, SUITES
from benchmarks.diagnosis_cost import slowest_megabyte
from benchmarks.diagnosis_own import language_suite, own_suite
from benchmarks.diagnosis_refusals import WILD, refusal_suite, wild_suite
from benchmarks.diagnosis_reports import report_suite
from benchmarks.diagnosis_score import Score
from benchmarks.diagnosis_servers import server_suite
from benchmarks.events import generate
from halt400.diagnosis import Profile, diagnose
from halt400.fingerprints import fingerprints
from halt400.preflight import preflight
from streams.processing.decoding import decode_event

__all__ = ["bad_request_us", "main", "preflight_us", "run"]


def preflight_us(rounds: int = 2000) -> float:
    """The median cost of one preflight of a typical request, in microseconds."""
    headers = [
        ("Host", "api.shop.example"),
        ("User-Agent", "shop-scraper/3.1"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Language", "en-GB,en;q=0.8"),
        ("Authorization", "Bearer abcdefghijklmnop"),
        ("Content-Type", "application/json"),
        ("Content-Length", "431"),
        ("Origin", "https://shop.example"),
        ("X-Client-Id", "extract-099"),
    ]
    body = json.dumps(
        {"filters": [{"field": "price", "op": "lt", "value": n} for n in range(8)], "page": 4, "sort": "asc"}
    ).encode()
    headers[7] = ("Content-Length", str(len(body)))
    url = "https://api.shop.example/v2/search/products?lang=en&currency=EUR&q=blue%20shoes"
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        preflight("POST", url, headers, body)
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[rounds // 2] / 1000


def bad_request_us(events: int = 20_000, rounds: int = 5) -> tuple[float, float]:
    """The CPU time of one generated 400, its diagnosis and its fingerprints, in microseconds; the median of rounds."""
    profiles: dict[str, Profile] = {}
    refused = []
    for generated in generate(events, targets=100, bad_request_ratio=0.02):
        event = decode_event(generated.value)
        profile = profiles.setdefault(generated.target, Profile())
        if generated.status == 400:
            refused.append((event, profile))
        elif generated.status < 300:
            profile.observe(event.request, time_ms=event.time)
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        for event, profile in refused:
            diagnose(event.request, event.response, profile)
        between = time.process_time()
        for event, _ in refused:
            fingerprints(event.target, event.request)
        spent.append((between - start, time.process_time() - between))
    diagnosing, fingerprinting = (sorted(times)[rounds // 2] for times in zip(*spent, strict=True))
    return diagnosing / len(refused) * 1e6, fingerprinting / len(refused) * 1e6


def run() -> tuple[list[Score], Counter[tuple[str, str]], list[str]]:
    """All scores, the confusion table, and the names of the corpora that are absent."""
    scores: list[Score] = []
    confusion: Counter[tuple[str, str]] = Counter()
    absent = []
    for name, suite in SUITES:
        if (CORPORA / name).exists():
            scores.extend(suite(confusion))
        else:
            absent.append(name)
    if WILD.exists():
        scores.extend(wild_suite(confusion))
    else:
        absent.append(WILD.name)
    scores.extend(own_suite(confusion))
    scores.extend(language_suite())
    scores.extend(server_suite(confusion))
    scores.extend(refusal_suite())
    scores.extend(report_suite())
    return scores, confusion, absent


def print_confusion(confusion: Counter[tuple[str, str]]) -> None:
    rows = sorted({row for row, _ in confusion})
    columns = sorted({column for _, column in confusion})
    print("\nconfusion (rows: what it is; columns: what was named)\n")
    width = max(map(len, rows))
    print(" " * width, *(f"{column[:12]:>12}" for column in columns))
    for row in rows:
        print(f"{row:<{width}}", *(f"{confusion[row, column] or '.':>12}" for column in columns))


def main(arguments: list[str]) -> int:
    """Print every score; the exit code is 1 when one is below its bar."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks diagnosis", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--verbose", action="store_true", help="list every miss, those above a bar too")
    given = parser.parse_args(arguments)
    scores, confusion, absent = run()
    cost_us = preflight_us()
    diagnosis_us, fingerprints_us = bad_request_us()
    megabyte_s, slowest = slowest_megabyte()
    costs = (
        ("preflight of a typical request", cost_us, 100.0, "µs"),
        ("diagnosis of a typical 400", diagnosis_us, 60.0, "µs"),
        (f"slowest megabyte: {slowest}"[:50], megabyte_s, 0.5, "s"),
    )
    scores_passed = all(score.passed for score in scores) and all(cost < bar for _, cost, bar, _ in costs)
    if given.json:
        print(
            json.dumps(
                {
                    "passed": scores_passed,
                    "scores": [
                        {
                            "name": score.name,
                            "good": score.good,
                            "total": score.total,
                            "bar": score.bar,
                            "passed": score.passed,
                        }
                        for score in scores
                    ],
                    "preflight_us": cost_us,
                    "diagnosis_of_a_400_us": diagnosis_us,
                    "slowest_megabyte_s": megabyte_s,
                    "fingerprints_of_a_400_us": fingerprints_us,
                    "absent": absent,
                    "confusion": [
                        {"is": row, "named": column, "count": count} for (row, column), count in confusion.items()
                    ],
                }
            )
        )
        return 0 if scores_passed else 1
    for score in scores:
        sign = "≥" if score.at_least else "≤"
        bar = f"{sign} {score.bar:.0%}" if score.bar is not None else "no bar"
        counts = f"{score.good:>5}/{score.total:<5} {score.ratio:7.2%}"
        print(f"{'pass' if score.passed else 'FAIL'}  {score.name:<50} {counts}  {bar}")
        if given.verbose or not score.passed:
            for miss in score.misses[:60]:
                print(f"        {miss}")
    for title, cost, cost_bar, unit in costs:
        print(f"{'pass' if cost < cost_bar else 'FAIL'}  {title:<50} {cost:18.2f} {unit}  < {cost_bar:g} {unit}")
    print(f"      {'fingerprints of a generated 400':<50} {fingerprints_us:18.1f} µs  no bar")
    for name in absent:
        print(f"left out: the corpus {name} is not in {CORPORA}")
    print_confusion(confusion)
    return 0 if scores_passed else 1
