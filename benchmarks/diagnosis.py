"""The scores of the diagnosis against corpora that nobody here wrote, and against our own.

``python -m benchmarks diagnosis [--json]`` prints a confusion table and fails below the bars. Corpora are read from
``../shared/corpora`` relative to the project's root; where one is absent, its score is left out, and that is said.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from halt400.diagnosis import Profile, diagnose, find_defect, parse_failure
from halt400.preflight import preflight
from halt400.records import Diagnosis, Request, Response

__all__ = ["CORPORA", "OWN", "Score", "main", "own_cases", "run"]

ROOT = Path(__file__).resolve().parent.parent
CORPORA = ROOT.parent / "shared" / "corpora"
OWN = ROOT / "tests" / "diagnosis" / "corpus"

FORM_RULES = {920100, 920160, 920240, 920250, 920260, 920270, 920280, 920290, 920420, 920430, 920470, 920480, 920640}
SURE = 0.8


class Score(Struct, kw_only=True):
    """One measured share against its bar; `at_least` says on which side of the bar is good."""

    name: str
    good: int
    total: int
    bar: float | None
    at_least: bool = True
    misses: list[str] = []

    @property
    def ratio(self) -> float:
        """The share, 0-1."""
        return self.good / self.total if self.total else 0.0

    @property
    def passed(self) -> bool:
        """Whether the share is on the good side of the bar."""
        if self.bar is None:
            return True
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar


def request_of(method: str, url: str, headers: Any = None, body: str | bytes | None = None, **more: Any) -> Request:
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    encoded = base64.b64encode(body).decode() if isinstance(body, bytes) else None
    return Request(
        method=method,
        url=url,
        headers=[(str(name), str(value)) for name, value in pairs],
        body=body if isinstance(body, str) else None,
        body_base64=encoded,
        **more,
    )


def json_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    malformed, valid = [], []
    for path in sorted((CORPORA / "jsontestsuite" / "test_parsing").glob("*.json")):
        kind = path.name[0]
        if kind == "i":
            continue
        headers = [("Content-Type", "application/json")]
        request = request_of("POST", "https://api.shop.example/", headers, path.read_bytes())
        found = find_defect(request)
        cause = found.cause if found is not None else "none"
        confusion["malformed_json" if kind == "n" else "none", cause] += 1
        if kind == "n":
            placed = found is not None and bool(found.evidence) and found.evidence[0].offset is not None
            malformed.append((path.name, cause == "malformed_json" and placed))
        else:
            refused = diagnose(request, Response(status=400))
            valid.append((path.name, cause == "none" and refused.cause != "malformed_json"))
    return [
        _score("JSONTestSuite: n_ named with a position", malformed, 1.0),
        _score("JSONTestSuite: y_ left alone", valid, 1.0),
    ]


def _score(name: str, results: list[tuple[str, bool]], bar: float | None) -> Score:
    misses = [label for label, good in results if not good]
    return Score(name=name, good=len(results) - len(misses), total=len(results), bar=bar, misses=misses)


def xml_tests() -> Iterator[tuple[str, str, bytes]]:
    """(type, path, document) of each XML 1.0 test of the four suites; not-wf ones only without external entities."""
    with zipfile.ZipFile(CORPORA / "w3c_xmlts20130923.zip") as archive:
        names = set(archive.namelist())
        for catalogue in sorted(name for name in names if name.endswith(".xml")):
            text = archive.read(catalogue)
            if b"<TEST " not in text:
                continue
            for match in re.finditer(rb"<TEST\s+([^>]*)>", text):
                found = re.findall(rb"(\w+)\s*=\s*([\"'])(.*?)\2", match[1], re.DOTALL)
                attributes = {key.decode(): value.decode() for key, _, value in found}
                path = f"{catalogue.rsplit('/', 1)[0]}/{attributes.get('URI', '')}"
                suite = any(f"/{suite}/" in path for suite in ("xmltest", "sun", "oasis", "ibm"))
                if path not in names or not suite or "1.1" in attributes.get("RECOMMENDATION", "") or "xml-1.1" in path:
                    continue
                kind = attributes["TYPE"]
                if kind in ("valid", "invalid") or (kind == "not-wf" and attributes.get("ENTITIES") == "none"):
                    yield kind, path, archive.read(path)


def xml_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    broken, well_formed = [], []
    for kind, path, document in xml_tests():
        found = find_defect(request_of("POST", "https://a.example/", [("Content-Type", "application/xml")], document))
        cause = found.cause if found is not None else "none"
        confusion["malformed_xml" if kind == "not-wf" else "none", cause] += 1
        if kind == "not-wf":
            broken.append((path, cause == "malformed_xml"))
        else:
            well_formed.append((path, cause != "malformed_xml"))
    return [
        _score("W3C XML: not well-formed named", broken, 0.99),
        _score("W3C XML: well-formed left alone", well_formed, 1.0),
    ]


def url_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    failures, others = [], []
    for case in json.loads((CORPORA / "wpt_url" / "urltestdata.json").read_text()):
        if isinstance(case, str):
            continue
        problem = parse_failure(case["input"], case.get("base"))
        expected = bool(case.get("failure"))
        confusion[
            "invalid_url_encoding" if expected else "parsable URL", "invalid_url_encoding" if problem else "none"
        ] += 1
        label = f"{case['input']!r} on {case.get('base')}"
        (failures if expected else others).append((label, (problem is not None) == expected))
    return [_score("WPT URL: failures flagged", failures, 1.0), _score("WPT URL: the others parsable", others, 0.99)]


def crs_request(row: dict[str, Any]) -> Request:
    """A regression test of the CRS as a request; Host and Content-Length are what its test client adds."""
    recorded = row["request"]
    headers = recorded.get("headers") or {}
    host = next((value for name, value in headers.items() if name.lower() == "host"), "localhost") or "localhost"
    method, uri = recorded.get("method", "GET"), recorded.get("uri", "/")
    url = uri if method == "CONNECT" or "://" in uri or not uri.startswith("/") else f"http://{host}{uri}"
    version = recorded.get("version", "HTTP/1.1")
    return request_of(method, url, headers, recorded.get("data"), http_version=version if version != "1.1" else "/1.1")


def crs_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    rows = [json.loads(line) for line in (CORPORA / "owasp_crs" / "labelled.jsonl").read_text().splitlines()]
    form, attacks, rest = [], [], []
    for row in rows:
        found = find_defect(crs_request(row))
        cause = found.cause if found is not None else "none"
        label = f"{row['id']} {cause} {found.confidence if found else ''}"
        if row["category"] == "waf_policy_not_a_defect":
            attacks.append((label, found is not None and found.confidence >= SURE))
        elif row["role"] == "positive" and row["rule_id"] in FORM_RULES:
            form.append((label, found is not None))
            confusion[row["category"], cause] += 1
        elif row["role"] == "positive":
            rest.append((label, found is not None))
    sure = [label for label, flagged in attacks if flagged]
    return [
        _score("OWASP CRS: defects of form named", form, 0.9),
        Score(
            name="OWASP CRS: attack texts called a sure defect",
            good=len(sure),
            total=len(attacks),
            bar=0.02,
            at_least=False,
            misses=sure,
        ),
        _score("OWASP CRS: other positives named", rest, None),
    ]


def recorded(name: str) -> Iterator[tuple[dict[str, Any], Request, Response]]:
    for line in (CORPORA / "recorded_api" / name).read_text().splitlines():
        row = json.loads(line)
        request = request_of(row["method"], row["url"], row["request_headers"], row["request_body"])
        headers = [(str(key), str(value)) for key, value in (row["response_headers"] or {}).items()]
        body = row["response_body"]
        yield (
            row,
            request,
            Response(status=row["status"], headers=headers, body=body if isinstance(body, str) else None),
        )


def structured_names(body: str | None) -> set[str]:
    """The fields that an error body names in a key made for it: JSON:API source, param, field, fields, target, loc."""
    try:
        document = json.loads(body or "")
    except ValueError:
        return set()
    names: set[str] = set()
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("pointer", "parameter", "param", "field", "target") and isinstance(item, str) and item:
                    names.add(item)
                elif key == "fields" and isinstance(item, list):
                    names.update(text for text in item if isinstance(text, str))
                else:
                    pending.append(item)
        elif isinstance(value, list):
            pending.extend(value)
    return names


def recorded_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    good, blind, refused, named = [], [], [], []
    for row, request, response in recorded("recorded_2xx_negatives.jsonl"):
        for results, found in ((good, find_defect(request, response)), (blind, find_defect(request))):
            what = f"{found.cause} {found.evidence[0].detail[:90]}" if found else ""
            label = f"{row['method']} {row['url'][:90]} {what}"
            results.append((label, found is None or found.confidence < SURE))
    for row, request, response in recorded("recorded_4xx.jsonl"):
        found = diagnose(request, response)
        if row["status"] == 400:
            confusion["recorded 400", found.cause] += 1
            refused.append(
                (f"{row['method']} {row['url'][:80]} {str(row['response_body'])[:120]}", found.cause != "unknown")
            )
        for field in structured_names(row["response_body"]):
            shown = any(field in (item.name or "") or field in item.detail for item in found.evidence)
            named.append(
                (f"{field}: {str(row['response_body'])[:160]} -> {[item.name for item in found.evidence]}", shown)
            )
    return [
        _score("Recorded 2xx: no sure defect", good, 1.0),
        _score("Recorded 2xx, response unseen: no sure defect", blind, 1.0),
        _score("Recorded 400s: a named cause", refused, 0.8),
        _score("Recorded 4xx: the field that the server names", named, 1.0),
    ]


def own_cases() -> Iterator[dict[str, Any]]:
    """Our labelled corpus: each line has id, cause, source, broken and fine (request, response, profile)."""
    for path in sorted(OWN.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if line.strip():
                yield json.loads(line)


def own_diagnosis(case: dict[str, Any], side: str) -> Diagnosis | None:
    exchange = case[side]
    profile = None
    if "good" in case:
        profile = Profile()
        for count in range(case.get("times", 5)):
            for good in case["good"]:
                profile.observe(_own_request(good), time_ms=1_700_000_000_000 + count, where="proxy eu-7")
    response = exchange.get("response")
    return find_defect(
        _own_request(exchange["request"]),
        Response(
            status=response["status"],
            headers=[tuple(pair) for pair in response.get("headers", [])],
            body=response.get("body"),
        )
        if response
        else None,
        profile,
        as_sent=exchange.get("as_sent", False),
    )


def _own_request(fields: dict[str, Any]) -> Request:
    fields = dict(fields)
    if "body_hex" in fields:
        fields["body"] = bytes.fromhex(fields.pop("body_hex"))
    if "repeat" in fields:
        unit, count = fields.pop("repeat")
        fields = json.loads(json.dumps(fields).replace("@@", unit * count))
    return request_of(
        fields.pop("method", "GET"), fields.pop("url"), fields.pop("headers", []), fields.pop("body", None), **fields
    )


def own_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    broken, fine = [], []
    for case in own_cases():
        found = own_diagnosis(case, "broken")
        cause = found.cause if found is not None else "none"
        confusion[case["cause"], cause] += 1
        broken.append((f"{case['id']}: {case['cause']} -> {cause}", cause == case["cause"]))
        twin = own_diagnosis(case, "fine")
        fine.append((f"{case['id']}: twin -> {twin.cause if twin else ''}", twin is None))
    return [_score("Our corpus: top-1", broken, 0.95), _score("Our corpus: twins left alone", fine, 0.95)]


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


SUITES = (
    ("jsontestsuite", json_suite),
    ("w3c_xmlts20130923.zip", xml_suite),
    ("wpt_url", url_suite),
    ("owasp_crs", crs_suite),
    ("recorded_api", recorded_suite),
)


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
    scores.extend(own_suite(confusion))
    return scores, confusion, absent


def print_confusion(confusion: Counter[tuple[str, str]]) -> None:
    rows = sorted({row for row, _ in confusion})
    columns = sorted({column for _, column in confusion})
    print("\nconfusion (rows: what it is; columns: what was named)\n")
    width = max(map(len, rows))
    print(" " * width, *(f"{column[:12]:>12}" for column in columns))
    for row in rows:
        print(f"{row:<{width}}", *(f"{confusion[row, column] or '.':>12}" for column in columns))


def main(argv: list[str]) -> int:
    """Print every score; the exit code is 1 when one is below its bar."""
    scores, confusion, absent = run()
    cost_us = preflight_us()
    scores_passed = all(score.passed for score in scores) and cost_us < 100
    if "--json" in argv:
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
        if "--verbose" in argv or not score.passed:
            for miss in score.misses[:60]:
                print(f"        {miss}")
    print(f"{'pass' if cost_us < 100 else 'FAIL'}  {'preflight of a typical request':<50} {cost_us:18.1f} µs  < 100 µs")
    for name in absent:
        print(f"left out: the corpus {name} is not in {CORPORA}")
    print_confusion(confusion)
    return 0 if scores_passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
