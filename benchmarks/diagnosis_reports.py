"""400s of well-known APIs, rebuilt from public threads: three files, each committed before the code was run on it.

What one taught was mended before the next was written; `docs/diagnosis.md` has the first score of each.

`place` lists the texts of which one stands at the first byte that the evidence points at; `names` the fields and
headers that the evidence names; `remedy` what the server says is right and the remedy repeats.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.diagnosis_own import OWN, own_diagnosis
from benchmarks.diagnosis_score import Score, score_of
from halt400.records import Diagnosis

__all__ = ["REPORTS", "report_suite"]

REPORTS = tuple(OWN / name for name in ("reports.jsonl", "reports_second.jsonl", "reports_third.jsonl"))


def report_suite() -> list[Score]:
    """The shares with the right cause, the right place and the remedy that the server's words ask for."""
    causes, places, remedies = [], [], []
    for case in (json.loads(line) for path in REPORTS for line in path.read_text().splitlines()):
        found = own_diagnosis(case, "broken")
        said = found.cause if found is not None else "none"
        detail = found.evidence[0].detail[:100] if found is not None and found.evidence else ""
        causes.append((f"{case['id']}: {case['cause']} -> {said} ({detail})", said == case["cause"]))
        if "place" in case or "names" in case:
            shown = [f"{item.where}:{item.offset}:{item.name}" for item in found.evidence[:3]] if found else []
            places.append((f"{case['id']}: {shown} ({detail})", found is not None and _is_placed(case, found)))
        if "remedy" in case:
            label = f"{case['id']}: {found.remedy if found else ''}"
            remedies.append((label, found is not None and all(text in found.remedy for text in case["remedy"])))
    return [
        score_of("Public reports: right cause", causes, 0.97),
        score_of("Public reports: the place in the request", places, 0.95),
        score_of("Public reports: the remedy has what the server names", remedies, 0.95),
    ]


def _is_placed(case: dict[str, Any], found: Diagnosis) -> bool:
    named = " ".join(item.name or "" for item in found.evidence)
    if not all(name in named for name in case.get("names", [])):
        return False
    request = case["broken"]["request"]
    parts = {"body": (request.get("body") or "").encode(), "url": request["url"].encode()}
    pointed = [
        parts[item.where][item.offset :].decode("utf-8", "replace")
        for item in found.evidence[:3]
        if item.offset is not None and item.where in parts
    ]
    return "place" not in case or any(text.startswith(tuple(case["place"])) for text in pointed)
