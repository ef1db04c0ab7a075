"""What only looks like a secret is left whole: a diagnosis needs it."""

import pytest

from halt400.redaction import RedactionRules, Redactor
from tests.redaction.innocent import INNOCENT

redactor = Redactor(RedactionRules(), b"the key of the redaction's tests")


def test_a_look_alike_is_left_whole() -> None:
    for text in INNOCENT:
        assert redactor.text(text) == text
        assert redactor.body(text) == text
        assert redactor.body(text, "application/x-www-form-urlencoded") == text
        assert redactor.url(text) == text


def test_the_corpus_has_many_of_them_and_none_twice() -> None:
    assert len(INNOCENT) == len(set(INNOCENT)) >= 150


@pytest.mark.parametrize("text", [text for text in INNOCENT if text.partition(": ")[0].replace("-", "").isalpha()])
def test_a_header_that_looks_alike_is_left_whole(text: str) -> None:
    name, _, value = text.partition(": ")
    if "\n" not in value:
        assert redactor.headers([(name, value)]) == [(name, value)]
