"""The learned profile: what it holds, what it finds, and that it stays small."""

import msgspec
import pytest

from halt400.diagnosis import Profile, diagnose, find_defect, header_mismatch
from halt400.diagnosis.profile import MAX_HEADERS, MAX_SHAPES, MAX_SUCCESSES, MAX_TEMPLATES
from tests.diagnosis.builders import REFUSED, get, request

GOOD = [("Host", "api.shop.example"), ("X-Client", "7"), ("X-Api-Version", "3"), ("Accept", "*/*")]


def learned(*requests, times=6):
    profile = Profile()
    for number in range(times):
        for one in requests:
            profile.observe(one, time_ms=number)
    return profile


def test_a_field_of_every_good_request_is_reported_missing():
    profile = learned(get(headers=GOOD))
    found = diagnose(get("https://api.shop.example/v1/orders", GOOD[:1] + GOOD[2:]), REFUSED, profile)
    assert found.cause == "missing_required_header"
    assert found.evidence[0].name == "X-Client"
    assert found.figures is not None
    assert found.figures.header_mismatch == pytest.approx(0.15)


def test_two_successes_are_too_few_for_a_profile():
    profile = learned(get(headers=GOOD), times=2)
    assert find_defect(get(), None, profile) is None
    assert header_mismatch(GOOD, profile.template_for(get())) is None


def test_the_mismatch_grows_with_missing_names_order_and_case():
    known = learned(get(headers=GOOD)).template_for(get())
    same = header_mismatch(GOOD, known)
    reversed_order = header_mismatch(GOOD[::-1], known)
    lower = header_mismatch([(name.lower(), value) for name, value in GOOD], known)
    assert (same, reversed_order, lower) == (0.0, 0.3, 0.1)
    assert header_mismatch([("Z", "1")], known) == pytest.approx(0.6)


def test_a_silent_change_of_the_schema_is_a_difference_in_structure():
    profile = learned(request('{"id": 7, "customer": {"name": "x"}}'))
    found = diagnose(request('{"id": "7", "customer": {}}'), REFUSED, profile)
    assert found.cause == "schema_violation"
    assert {item.name for item in found.evidence} >= {"id", "customer.name"}


def test_a_key_that_good_bodies_sometimes_lack_is_not_reported_missing():
    profile = learned(request('{"id": 7, "note": "x"}'), request('{"id": 7}'))
    assert find_defect(request('{"id": 9}'), None, profile) is None


def test_the_exact_request_that_succeeded_elsewhere_is_transient():
    profile = Profile()
    profile.observe(get(headers=GOOD), time_ms=1_700_000_000_000, where="proxy eu-7")
    found = diagnose(get(headers=GOOD), REFUSED, profile)
    assert (found.cause, found.blame) == ("transient", "transport")
    assert "proxy eu-7" in found.evidence[0].detail


def test_a_profile_is_the_same_after_encoding_and_decoding():
    profile = learned(get(headers=GOOD), request('{"id": 7}'))
    for encode, decode in (
        (msgspec.json.encode, msgspec.json.decode),
        (msgspec.msgpack.encode, msgspec.msgpack.decode),
    ):
        assert decode(encode(profile), type=Profile) == profile


def test_a_profile_holds_no_value_of_any_request():
    profile = learned(request('{"card": "4111111111111111"}', headers=[("Authorization", "Bearer hunter2hunter2")]))
    assert b"4111" not in msgspec.json.encode(profile)
    assert b"hunter2" not in msgspec.json.encode(profile)


@pytest.mark.slow
def test_a_profile_is_bounded_for_any_traffic():
    profile = Profile()
    for number in range(400):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        headers = [(f"X-{letters}-{place}", "v") for place in range(40)]
        body = "{" + ",".join(f'"{letters}{place}": {place}' for place in range(300)) + "}"
        url = f"https://api.shop.example/{letters}?{letters}=1"
        profile.observe(request(body, url=url, headers=headers), time_ms=number)
        profile.observe(request(body, headers=headers), time_ms=number)
    assert len(profile.templates) <= MAX_TEMPLATES
    assert len(profile.successes) <= MAX_SUCCESSES
    for known in profile.templates.values():
        assert len(known.headers) <= MAX_HEADERS
        assert len(known.shapes) <= MAX_SHAPES
    assert len(msgspec.msgpack.encode(profile)) < 400_000


def test_query_parameters_are_learned_in_their_order_whatever_the_hash_seed():
    profile = Profile()
    names = [f"p{number}" for number in range(20)]
    profile.observe(get("https://api.shop.example/?" + "&".join(f"{name}=1" for name in names)))
    assert list(next(iter(profile.templates.values())).query) == names
