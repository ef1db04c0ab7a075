"""The corpora that nobody here wrote, read from ``../shared/corpora`` beside the project, and their scores."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.diagnosis_score import Score, request_of, score_of
from halt400.diagnosis import diagnose, find_defect, parse_failure
from halt400.exchanges.raw import read_raw
from halt400.records import Request, Response

__all__ = ["CORPORA", "SUITES"]

CORPORA = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora"

FORM_RULES = {920100, 920160, 920240, 920250, 920260, 920270, 920280, 920290, 920420, 920430, 920470, 920480, 920640}
SURE = 0.8


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
        score_of("JSONTestSuite: n_ named with a position", malformed, 1.0),
        score_of("JSONTestSuite: y_ left alone", valid, 1.0),
    ]


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
        score_of("W3C XML: not well-formed named", broken, 0.99),
        score_of("W3C XML: well-formed left alone", well_formed, 1.0),
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
    return [
        score_of("WPT URL: failures flagged", failures, 1.0),
        score_of("WPT URL: the others parsable", others, 0.99),
    ]


def crs_request(row: dict[str, Any]) -> Request:
    """A regression test of the CRS as a request; Host and Content-Length are what its test client adds."""
    if "raw_request_b64" in row:
        return read_raw(base64.b64decode(row["raw_request_b64"])).request
    recorded = row["request"]
    headers = recorded.get("headers") or {}
    host = next((value for name, value in headers.items() if name.lower() == "host"), "localhost") or "localhost"
    method, uri = recorded.get("method", "GET"), recorded.get("uri", "/")
    url = uri if method == "CONNECT" or "://" in uri or not uri.startswith("/") else f"http://{host}{uri}"
    version = recorded.get("version", "HTTP/1.1")
    if _is_as_written(row):
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return read_raw(f"{method} {uri} {version}\r\n{fields}\r\n".encode()).request
    return request_of(method, url, headers, recorded.get("data"), http_version=version if version != "1.1" else "/1.1")


def _is_as_written(row: dict[str, Any]) -> bool:
    """Whether the test's client writes the request line and the fields as they are, and no body."""
    return "request" in row and not row["request"].get("data")


def crs_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    rows = [json.loads(line) for line in (CORPORA / "owasp_crs" / "labelled.jsonl").read_text().splitlines()]
    form, attacks, rest, every, twins = [], [], [], [], []
    for row in rows:
        found = find_defect(crs_request(row), as_sent=_is_as_written(row))
        cause = found.cause if found is not None else "none"
        label = f"{row['id']} {cause} {found.confidence if found else ''}"
        if row["category"] == "waf_policy_not_a_defect":
            attacks.append((label, found is not None and found.confidence >= SURE))
        elif row["role"] == "positive" and row["rule_id"] in FORM_RULES:
            form.append((label, found is not None))
            confusion[row["category"], cause] += 1
        elif row["role"] == "positive":
            rest.append((label, found is not None))
        if row["category"] == "waf_policy_not_a_defect":
            continue
        if row["role"] == "positive":
            every.append((label, found is not None))
        elif row["role"] == "negative":
            twins.append((label, found is not None and found.confidence >= SURE))
    sure = [label for label, flagged in attacks if flagged]
    return [
        score_of("OWASP CRS: defects of form named", form, 0.9),
        Score(
            name="OWASP CRS: attack texts called a sure defect",
            good=len(sure),
            total=len(attacks),
            bar=0.02,
            at_least=False,
            misses=sure,
        ),
        score_of("OWASP CRS: other positives named", rest, None),
        score_of("OWASP CRS: all five kinds of form named", every, 0.9),
        Score(
            name="OWASP CRS: fine twins called a sure defect",
            good=sum(wrong for _, wrong in twins),
            total=len(twins),
            bar=0.1,
            at_least=False,
            misses=[label for label, wrong in twins if wrong],
        ),
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
    good, blind, refused, placed, named = [], [], [], [], []
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
            if found.cause != "unknown":
                in_request = any(
                    item.offset is not None and item.where in ("body", "url", "header") for item in found.evidence
                )
                placed.append((f"{row['method']} {row['url'][:80]} {str(row['response_body'])[:120]}", in_request))
        for field in structured_names(row["response_body"]):
            shown = any(field in (item.name or "") or field in item.detail for item in found.evidence)
            named.append(
                (f"{field}: {str(row['response_body'])[:160]} -> {[item.name for item in found.evidence]}", shown)
            )
    return [
        score_of("Recorded 2xx: no sure defect", good, 1.0),
        score_of("Recorded 2xx, response unseen: no sure defect", blind, 1.0),
        score_of("Recorded 400s: a named cause", refused, 0.8),
        score_of("Recorded 400s: of those, a place in the request", placed, 0.75),
        score_of("Recorded 4xx: the field that the server names", named, 1.0),
    ]


SUITES = (
    ("jsontestsuite", json_suite),
    ("w3c_xmlts20130923.zip", xml_suite),
    ("wpt_url", url_suite),
    ("owasp_crs", crs_suite),
    ("recorded_api", recorded_suite),
)
