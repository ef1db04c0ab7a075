import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.operations import OperationRequest, parse_scope

from ..api.fleet import command

SCOPE = parse_scope("job/api.shop.example/extract-099")


def ask(kind: str = "release", **changes: object) -> OperationRequest:
    fields = {"kind": kind, "scope": SCOPE, "actor": "alice", "reason": "mended", **changes}
    return OperationRequest(**fields)


@pytest.mark.parametrize(
    "text", ["job/a/b", "job/a/b/c d", "target/a", "request/a/0f", "target/räksmörgås.example:8443"]
)
def test_a_scope_is_parsed_to_itself(text: str) -> None:
    assert parse_scope(text).id == text


@given(st.text(max_size=20) | st.from_regex(r"(job|target|request)/[^/]{0,3}(/.{0,3}){0,2}", fullmatch=True))
def test_a_text_is_a_scope_or_a_clear_error(text: str) -> None:
    try:
        found = parse_scope(text).id
    except ValueError as error:
        found = f"{text!r}{str(error).removeprefix(repr(text))}"
    assert found in (text, f"{text!r}: write job/TARGET/JOB, target/TARGET or request/TARGET/FINGERPRINT")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "reason: say why"),
        ({"reason": "x" * 1001}, "reason: at most 1000 characters, this has 1001"),
        ({"actor": ""}, "actor: name who asks"),
        ({"actor": "halt400.detect"}, "actor: 'halt400.detect' is a part of Halt400"),
        ({"hold_s": 60}, "hold_s: a release has no hold"),
    ],
)
def test_what_no_operation_can_have_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(**changes)


@pytest.mark.parametrize(
    ("kind", "state", "why"),
    [
        ("release", None, "was never quarantined"),
        ("release", "released", "is released already"),
        ("extend", "released", "is released already"),
        ("probe", "probing", "is probing already"),
        ("probe", "quarantined", None),
        ("release", "probing", None),
        ("quarantine", "released", None),
        ("quarantine", None, None),
    ],
)
def test_an_operation_says_why_it_has_nothing_to_do(kind: str, state: str | None, why: str | None) -> None:
    latest = command("job", "api.shop.example", "extract-099", state=state) if state else None
    assert ask(kind).why_not(latest) == why


def test_one_key_is_one_operation_of_an_actor_on_a_scope() -> None:
    ids = {
        ask().operation_id("k"),
        ask(reason="another").operation_id("k"),
        ask(kind="extend").operation_id("k"),
        ask(actor="bob").operation_id("k"),
        ask(scope=parse_scope("target/api.shop.example")).operation_id("k"),
        ask().operation_id("l"),
    }
    assert len(ids) == 5


@pytest.mark.parametrize(
    "text", ["job/a", "target/a/b", "target/ a", "target/a\n", "job/a/b\x00", "x/a/b", "job//b", f"job/a/{'x' * 256}"]
)
def test_what_no_worker_would_take_is_no_scope(text: str) -> None:
    with pytest.raises(ValueError, match="write job/TARGET/JOB"):
        parse_scope(text)
