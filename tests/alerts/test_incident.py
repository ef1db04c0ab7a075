"""The key of an incident."""

from halt400.records import Scope
from streams.alerts.incident import incident_key
from tests.alerts.examples import TARGET, command


def test_a_request_scope_has_an_incident_of_its_own() -> None:
    scope = Scope(kind="request", target=TARGET, fingerprint="f00d")
    assert incident_key(command(scope=scope)) == f"{TARGET}/malformed_json/f00d"


def test_the_key_fits_into_a_sink_whatever_the_target() -> None:
    long, other = (incident_key(command(target="x" * 254 + end)) for end in "ab")
    assert len(long) <= 200
    assert long != other
