"""Our own labelled corpus, ``tests/diagnosis/corpus``: documented failures, each with its twin that is fine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.diagnosis_score import Score, request_of, score_of
from halt400.diagnosis import Profile, find_defect
from halt400.diagnosis.mending import mend
from halt400.records import Diagnosis, Request, Response

__all__ = ["OWN", "language_suite", "own_cases", "own_diagnosis", "own_exchange", "own_suite"]

OWN = Path(__file__).resolve().parent.parent / "tests" / "diagnosis" / "corpus"


def own_cases(folder: Path = OWN) -> Iterator[dict[str, Any]]:
    """Our labelled corpus: each line has id, cause, source, broken and fine (request, response, profile).

    Without ``fine``, the twin is the request of ``broken`` before anybody has refused it. ``written`` tells whether
    the case stood ``before the code`` that names it, or ``after the code``; ``earlier`` ones are those that the product
    began with. ``text`` tells how the case comes from its ``source``: the text was ``read``; the answer is rebuilt and
    its ``code read`` in ``code_source``; all is from ``memory`` of the source; or it is ``not recorded``.
    """
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            if line.strip():
                yield json.loads(line)


def own_exchange(case: dict[str, Any], side: str) -> tuple[Request, Response | None, Profile | None, bool]:
    """Request, response, profile and whether the headers are all that was sent, of one side of a case."""
    exchange = case[side] if side in case else {"request": case["broken"]["request"]}
    profile = None
    if "good" in case:
        profile = Profile()
        for count in range(case.get("times", 5)):
            for good in case["good"]:
                profile.observe(_own_request(good), time_ms=1_700_000_000_000 + count, where="proxy eu-7")
    said = exchange.get("response")
    response = None
    if said:
        headers = [tuple(pair) for pair in said.get("headers", [])]
        response = Response(status=said["status"], headers=headers, body=said.get("body"))
    return _own_request(exchange["request"]), response, profile, exchange.get("as_sent", False)


def own_diagnosis(case: dict[str, Any], side: str) -> Diagnosis | None:
    """What is found in one side of a case, ``broken`` or ``fine``."""
    request, response, profile, as_sent = own_exchange(case, side)
    return find_defect(request, response, profile, as_sent=as_sent)


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


def language_suite() -> list[Score]:
    """Of the cases of languages, places and remedies: the byte, the remedy, the mend; by when they were written."""
    causes: dict[str, list[tuple[str, bool]]] = {"before the code": [], "after the code": []}
    placed, remedied, mended = [], [], []
    for case in own_cases(OWN / "languages"):
        request, response, profile, as_sent = own_exchange(case, "broken")
        found = find_defect(request, response, profile, as_sent=as_sent)
        label = f"{case['id']}: {found.cause if found is not None else 'none'}"
        causes[case["written"]].append((label, found is not None and found.cause == case["cause"]))
        if "at" in case:
            placed.append((label, found is not None and _points_at(case, found)))
        if "remedy" in case:
            remedied.append((label, found is not None and all(text in found.remedy for text in case["remedy"])))
        if case.get("mended"):
            after = mend(request, response, profile, as_sent=as_sent)
            mended.append((label, bool(after.changes) and after.left is None))
    return [
        *(score_of(f"Languages, labelled {when}: top-1", found, 0.97) for when, found in causes.items()),
        score_of("Languages: evidence at the byte", placed, 0.97),
        score_of("Languages: the remedy has what the server names", remedied, 0.97),
        score_of("Fixes: the mended request passes the diagnosis", mended, 1.0),
    ]


def _points_at(case: dict[str, Any], found: Diagnosis) -> bool:
    fields = case["broken"]["request"]
    parts = {"body": (fields.get("body") or "").encode(), "url": fields["url"].encode()}
    return any(
        parts[item.where][item.offset :].decode("utf-8", "replace").startswith(case["at"])
        for item in found.evidence[:3]
        if item.offset is not None and item.where in parts
    )


def own_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    """The share of the broken that get their label, and of the fine that are left alone."""
    broken, fine = [], []
    for case in own_cases():
        found = own_diagnosis(case, "broken")
        cause = found.cause if found is not None else "none"
        confusion[case["cause"], cause] += 1
        broken.append((f"{case['id']}: {case['cause']} -> {cause}", cause == case["cause"]))
        twin = own_diagnosis(case, "fine")
        fine.append((f"{case['id']}: twin -> {twin.cause if twin else ''}", twin is None))
    return [score_of("Our corpus: top-1", broken, 0.95), score_of("Our corpus: twins left alone", fine, 0.95)]
