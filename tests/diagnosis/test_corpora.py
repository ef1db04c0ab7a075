"""The required scores of the benchmark are reached; a corpus that is absent is skipped and named."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.diagnosis_corpora import CORPORA, SUITES
from benchmarks.diagnosis_own import OWN, language_suite, own_cases, own_diagnosis, own_suite
from benchmarks.diagnosis_refusals import WILD, refusal_suite, wild_suite
from benchmarks.diagnosis_reports import report_suite
from halt400.diagnosis import parse_failure
from halt400.diagnosis.cause_titles import CAUSE_TITLES


@pytest.mark.slow
@pytest.mark.parametrize(("name", "suite"), SUITES, ids=[name for name, _ in SUITES])
def test_every_required_score_on_a_shared_corpus_is_reached(name, suite):
    if not (CORPORA / name).exists():
        pytest.skip(f"the corpus {name} is not in {CORPORA}")
    below = [(score.name, score.good, score.total, score.misses[:10]) for score in suite(Counter()) if not score.passed]
    assert not below


def test_the_cases_of_the_wild_are_named():
    if not WILD.exists():
        pytest.skip(f"{WILD} is not there")
    assert not [(score.name, score.misses) for score in wild_suite(Counter()) if not score.passed]


def test_refusals_of_well_known_apis_are_named_and_placed():
    assert not [(score.name, score.misses) for score in report_suite() if not score.passed]


def test_refusals_are_told_from_defects_and_their_look_alikes_are_left_alone():
    assert not [(score.name, score.misses) for score in refusal_suite() if not score.passed]


def test_our_corpus_covers_every_cause_with_a_citation_each():
    cases = list(own_cases())
    causes = {case["cause"] for case in cases}
    assert {path.stem for path in OWN.rglob("*.jsonl")} & set(CAUSE_TITLES) <= causes
    assert causes >= set(CAUSE_TITLES)
    assert all(case["source"].startswith("https://") for case in cases)


def test_the_corpus_says_of_each_case_when_it_was_written_and_whether_its_source_was_read():
    """The numbers are those of docs/diagnosis.md, which names each."""
    cases = list(own_cases())
    assert all(case["code_source"].startswith("https://") for case in cases if case["text"] == "code read")
    written = Counter(case["written"] for case in cases)
    text = Counter(case["text"] for case in cases)
    new = written["before the code"] + written["after the code"]
    assert len(cases) >= 400
    assert written["before the code"] >= new / 2
    docs = " ".join((Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text().split())
    assert f"{len(cases)} cases, each with the address of its source" in docs
    assert f"{written['before the code']} of the {new} new ones were written before the code" in docs
    assert (
        f"{text['read']} `read`, {text['code read']} `code read`, {text['memory']} `memory`, "
        f"{text['not recorded']} `not recorded`" in docs
    )


@pytest.mark.slow
def test_our_corpus_is_diagnosed_and_its_corrected_requests_have_no_defect():
    below = [(score.name, score.misses) for score in own_suite(Counter()) if not score.passed]
    assert not below


def test_the_evidence_names_the_field_or_header():
    unnamed = []
    for case in own_cases():
        if case.get("names"):
            found = own_diagnosis(case, "broken")
            named = " ".join(item.name or "" for item in found.evidence) if found is not None else ""
            unnamed.extend((case["id"], name, named) for name in case["names"] if name not in named)
    assert not unnamed


def test_a_relative_url_is_parsed_against_its_base():
    assert parse_failure("cart?page=2") is not None
    assert parse_failure("cart?page=2", base="https://shop.example/") is None


def test_languages_places_remedies_and_mends_reach_their_scores():
    assert not [(score.name, score.misses) for score in language_suite() if not score.passed]
