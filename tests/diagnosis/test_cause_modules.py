"""Each cause of a 400 has its module, with a source and an example."""

from importlib import import_module

import pytest

CAUSES = {
    "malformed_json", "malformed_xml", "malformed_form", "invalid_url_encoding", "content_type_mismatch",
    "missing_required_header", "payload_too_large", "schema_violation", "protocol_violation", "waf_block", "transient",
}  # fmt: skip


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_each_cause_has_its_module_with_a_source_and_an_example(cause):
    module = import_module(f"halt400.diagnosis.{cause}")
    assert module.__doc__ is not None
    assert "http" in module.__doc__ or "RFC" in module.__doc__
    assert ">>>" in module.find.__doc__
