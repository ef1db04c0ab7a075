"""The figure `header_mismatch`: the distance between the sent header fields and those of good requests, 0 to 1.

::

    mismatch = 0.6 * set + 0.3 * order + 0.1 * case

- ``set``: one minus the weighted Jaccard similarity of the names. An expected name weighs its presence ratio; a name
  that no good request carried weighs 1.
- ``order``: the share of the pairs of common names that are in the opposite order to the average (Kendall's distance).
- ``case``: the share of the common names in another case.

0: like the good ones; 1: no name in common. Fields that change with each attempt (tracing, request ids) do not count.
"""

from __future__ import annotations

from halt400.diagnosis.profile import MIN_SUCCESSES, TemplateProfile
from halt400.fingerprints import TRANSIT_HEADERS
from halt400.records import Header

__all__ = ["header_mismatch"]

_SET, _ORDER, _CASE = 0.6, 0.3, 0.1
_NOT_COUNTED = frozenset({"content-length", "transfer-encoding"})
_MAX_NAMES = 64


def header_mismatch(headers: list[Header], expected: TemplateProfile | None) -> float | None:
    """Measure the distance; None where the template has too few successes.

    Examples
    --------
    >>> from halt400.diagnosis.profile import Profile
    >>> from halt400.records import Request
    >>> profile, good = Profile(), [("Host", "a.example"), ("X-Client", "7"), ("Accept", "*/*")]
    >>> request = Request(method="GET", url="https://a.example/", headers=good)
    >>> for _ in range(3):
    ...     profile.observe(request)
    >>> header_mismatch(good, profile.template_for(request))
    0.0
    >>> header_mismatch([("Accept", "*/*"), ("host", "a.example")], profile.template_for(request))
    0.55
    """
    if expected is None or expected.successes < MIN_SUCCESSES or not expected.headers:
        return None
    sent: dict[str, str] = {}
    for name, _ in headers:
        lower = name.lower()
        if lower not in TRANSIT_HEADERS and lower not in _NOT_COUNTED and len(sent) < _MAX_NAMES:
            sent.setdefault(lower, name)
    known = {name: seen for name, seen in expected.headers.items() if name not in _NOT_COUNTED}
    shared = [name for name in sent if name in known]
    common = sum(expected.presence(name) for name in shared)
    union = sum(expected.presence(name) for name in known) + float(sum(name not in known for name in sent))
    set_distance = 1.0 - common / union if union else 0.0
    positions = [known[name].position_sum / known[name].count for name in shared]
    pairs = len(shared) * (len(shared) - 1) // 2
    swapped = 0
    if positions != sorted(positions):
        places = range(len(positions))
        swapped = sum(positions[i] > positions[j] + 1e-9 for i in places for j in range(i + 1, len(positions)))
    order_distance = swapped / pairs if pairs else 0.0
    other_case = sum(sent[name] != known[name].spelling for name in shared)
    case_distance = other_case / len(shared) if shared else 0.0
    return round(min(1.0, _SET * set_distance + _ORDER * order_distance + _CASE * case_distance), 4)
