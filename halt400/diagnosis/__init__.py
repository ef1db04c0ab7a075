"""Diagnosis: what exactly is wrong with a request, as one pure function.

`diagnose` always returns a diagnosis; `find_defect` returns None where nothing is wrong. `Profile` is what good
requests to a target look like, learned with `Profile.observe`. Causes, sources and figures: `docs/diagnosis.md`.
"""

from halt400.diagnosis.engine import NAMED, NAMED_WHEN_REFUSED, diagnose, find_defect
from halt400.diagnosis.header_mismatch import header_mismatch
from halt400.diagnosis.invalid_url_encoding import unescaped_count
from halt400.diagnosis.openapi_contract import Contract
from halt400.diagnosis.profile import Profile
from halt400.diagnosis.whatwg_url import parse_failure

__all__ = [
    "NAMED",
    "NAMED_WHEN_REFUSED",
    "Contract",
    "Profile",
    "diagnose",
    "find_defect",
    "header_mismatch",
    "parse_failure",
    "unescaped_count",
]
