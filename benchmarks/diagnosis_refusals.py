"""Refusals that are about no defect of the request, and their look-alikes: two labelled files, and cases of the wild.

``refusals_first.jsonl`` was committed before the code that names its causes, ``refusals_second.jsonl`` after it.
"""

from __future__ import annotations

import json
from collections import Counter

from benchmarks.diagnosis_corpora import CORPORA
from benchmarks.diagnosis_own import OWN, own_diagnosis
from benchmarks.diagnosis_score import Score, request_of, score_of
from halt400.diagnosis import diagnose
from halt400.records import Diagnosis, Response

__all__ = ["WILD", "refusal_suite", "wild_suite"]

WILD = CORPORA.parent / "cases" / "wild.jsonl"
FILES = {"before": "refusals_first.jsonl", "after": "refusals_second.jsonl"}
BLAMES = {"credential_rejected": "credential", "rate_limited": "nobody", "expired_state": "state"}
LOOK_ALIKES = ("schema_violation", "unknown")


def refusal_suite() -> list[Score]:
    """Cases named right, by the file; what blames the right thing and repeats no value; look-alikes left alone."""
    scores, alike, blamed = [], [], []
    for when, file in FILES.items():
        named = []
        for line in (OWN / file).read_text().splitlines():
            case = json.loads(line)
            found = own_diagnosis(case, "broken")
            cause = found.cause if found is not None else "none"
            named.append((f"{case['id']}: {case['cause']} -> {cause}", cause == case["cause"]))
            if case["cause"] in LOOK_ALIKES:
                alike.append((f"{case['id']} -> {cause}", cause not in BLAMES))
            elif case["cause"] in BLAMES:
                label = f"{case['id']}: {found.blame if found is not None else ''}"
                blamed.append((label, found is not None and _is_answered(case["cause"], found)))
        scores.append(score_of(f"Refusals, labelled {when} the code: top-1", named, 0.97))
    return [
        *scores,
        score_of("Refusals: look-alikes left alone", alike, 1.0),
        score_of("Refusals: who is to act, and no schema review", blamed, 0.97),
    ]


def _is_answered(cause: str, found: Diagnosis) -> bool:
    texts = " ".join([found.remedy, *(item.detail for item in found.evidence)]).lower()
    return found.blame == BLAMES[cause] and "schema" not in texts and "documentation" not in found.remedy.lower()


def wild_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    """The fifteen cases of failures that were rebuilt from public reports."""
    named = []
    for line in WILD.read_text().splitlines():
        case = json.loads(line)
        sent = case["exchange"]
        request = request_of(sent["method"], sent["url"], sent["request_headers"], sent.get("request_body"))
        headers = list(sent["response_headers"].items())
        found = diagnose(request, Response(status=sent["status"], headers=headers, body=sent["response_body"]))
        confusion[case["cause"], found.cause] += 1
        named.append((f"{case['name']}: {case['cause']} -> {found.cause}", found.cause == case["cause"]))
    return [score_of("Cases of the wild: top-1", named, 1.0)]
