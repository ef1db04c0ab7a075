"""A redacted request has the same diagnosis as the one that was sent: same cause, same places, on recorded cases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from halt400.diagnosis import diagnose
from halt400.records import Diagnosis, Evidence, Request, Response
from halt400.redaction import RedactionRules, Redactor

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
redactor = Redactor(RedactionRules(), b"the key of the redaction's tests")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no corpora in {CORPORA}")


def recorded() -> Iterator[tuple[Request, Response]]:
    for name in ("recorded_4xx.jsonl", "recorded_2xx_negatives.jsonl"):
        for line in (CORPORA / "recorded_api" / name).read_text().splitlines():
            case = json.loads(line)
            body = case["request_body"]
            yield (
                Request(
                    method=case["method"],
                    url=case["url"],
                    headers=[(str(k), str(v)) for k, v in (case["request_headers"] or {}).items()],
                    body=body if isinstance(body, str) else None,
                ),
                Response(
                    status=case["status"],
                    headers=[(str(k), str(v)) for k, v in (case["response_headers"] or {}).items()],
                    body=case["response_body"] if isinstance(case["response_body"], str) else None,
                ),
            )


def labelled() -> Iterator[tuple[Request, Response]]:
    for line in (CORPORA / "owasp_crs" / "labelled.jsonl").read_text().splitlines():
        case = json.loads(line)["request"]
        body = case.get("data", case.get("body"))
        yield (
            Request(
                method=case.get("method") or "GET",
                url=f"http://localhost{case.get('uri') or '/'}",
                headers=[(str(k), str(v)) for k, v in (case.get("headers") or {}).items()],
                body=body if isinstance(body, str) else None,
            ),
            Response(status=400),
        )


def json_cases() -> Iterator[tuple[Request, Response]]:
    for path in sorted((CORPORA / "jsontestsuite" / "test_parsing").glob("[ny]_*.json")):
        if path.stat().st_size > 50_000:
            continue
        try:
            case = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for body in (case, f'{{"password": "hunter2-hunter2", "list": {case}}}', f'{{"api_key": {case}}}'):
            yield (
                Request(
                    method="POST", url="https://a.example/", headers=[("Content-Type", "application/json")], body=body
                ),
                Response(status=400),
            )


def place(evidence: Evidence) -> tuple[object, ...]:
    """Where a defect starts; a bare word of JSON that began like a number may end elsewhere."""
    return evidence.where, evidence.offset, evidence.line, evidence.column


def is_in_a_cookie(diagnosis: Diagnosis) -> bool:
    """Whether all that is wrong is in the value of a cookie, of which redaction leaves nothing."""
    places = {(one.where, (one.name or "").lower()) for one in diagnosis.evidence}
    return places == {("header", "cookie")}


@pytest.mark.slow
@pytest.mark.parametrize("cases", [recorded, labelled, json_cases])
def test_the_diagnosis_holds_after_redaction(cases: object) -> None:
    changed, differing = 0, []
    for request, response in cases():  # type: ignore[operator]
        replaced = redactor.request(request)
        changed += replaced != request
        before, after = diagnose(request, response), diagnose(replaced, response)
        found = (before.cause, [place(one) for one in before.evidence])
        if found != (after.cause, [place(one) for one in after.evidence]) and not is_in_a_cookie(before):
            differing.append((request, replaced, before, after))
    assert changed > 3
    assert not differing, "\n\n".join("\n".join(map(str, case)) for case in differing[:5])
