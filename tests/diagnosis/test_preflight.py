"""Preflight: it warns, blocks, and costs next to nothing."""

import logging

import pytest

from benchmarks.diagnosis import preflight_us
from halt400.errors import PreflightFailed
from halt400.preflight import preflight

URL = "https://api.shop.example/v1/orders"
JSON = [("Content-Type", "application/json")]


def test_a_good_request_passes():
    assert preflight("POST", URL, JSON, b'{"page": 1}', mode="block") is None


def test_warn_logs_and_does_not_stop_the_request(caplog):
    with caplog.at_level(logging.WARNING, logger="halt400.preflight"):
        found = preflight("POST", URL, JSON, '{"page": 1,}', mode="warn")
    assert found is not None
    assert "malformed_json" in caplog.text


def test_block_stops_a_sure_defect_and_says_why():
    with pytest.raises(PreflightFailed) as raised:
        preflight("POST", URL, JSON, b'{"page": 1,}', mode="block")
    assert raised.value.diagnosis.cause == "malformed_json"
    assert "comma" in str(raised.value)


def test_block_only_warns_where_it_is_not_sure(caplog):
    with caplog.at_level(logging.WARNING, logger="halt400.preflight"):
        found = preflight("POST", URL, [], b'{"page": 1}', mode="block")
    assert found is not None
    assert found.confidence < 0.8
    assert "content_type_mismatch" in caplog.text


def test_a_body_that_is_not_text_is_diagnosed_too():
    found = preflight("POST", URL, JSON, b'{"a": "\xff"}')
    assert found is not None
    assert found.cause == "malformed_json"


def test_a_typical_request_costs_less_than_a_tenth_of_a_millisecond():
    assert min(preflight_us(300) for _ in range(5)) < 100
