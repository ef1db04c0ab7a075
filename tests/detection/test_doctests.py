"""The examples in docstrings do what they show."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "halt400.body_shapes",
    "halt400.fingerprints",
    "halt400.url_templates",
    "streams.detection.mixture",
    "streams.detection.null_ratio",
    "streams.detection.policy_parser",
    "streams.detection.requests",
    "streams.toml_file",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    results = doctest.testmod(import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
