"""Every example in the docstrings runs and is true."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import halt400.diagnosis
import halt400.exchanges

MODULES = [
    "halt400.preflight",
    *(f"halt400.diagnosis.{module.name}" for module in pkgutil.iter_modules(halt400.diagnosis.__path__)),
    *(f"halt400.exchanges.{module.name}" for module in pkgutil.iter_modules(halt400.exchanges.__path__)),
]
CAUSES = {
    "malformed_json", "malformed_xml", "malformed_form", "invalid_url_encoding", "content_type_mismatch",
    "missing_required_header", "payload_too_large", "schema_violation", "protocol_violation", "waf_block", "transient",
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_each_cause_has_its_module_with_a_source_and_an_example(cause):
    module = import_module(f"halt400.diagnosis.{cause}")
    assert module.__doc__ is not None
    assert "http" in module.__doc__ or "RFC" in module.__doc__
    assert ">>>" in module.find.__doc__
