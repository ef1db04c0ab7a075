"""The signature of the generic webhook."""

from streams.alerts.signing import REPLAY_WINDOW_S, sign, verify
from tests.alerts.servers import (
    SIGNING_SECRET,
)


def test_a_signature_holds_for_its_body_its_time_and_its_secret() -> None:
    signature = sign(SIGNING_SECRET, 1000, b"body")
    assert verify(SIGNING_SECRET, "1000", signature, b"body", 1000 + REPLAY_WINDOW_S)
    assert not verify(SIGNING_SECRET, "1000", signature, b"body", 1001 + REPLAY_WINDOW_S)
    assert not verify(SIGNING_SECRET, "1001", signature, b"body", 1000)
    assert not verify(SIGNING_SECRET, "1000", signature, b"other", 1000)
    assert not verify("another secret", "1000", signature, b"body", 1000)
    assert not verify(SIGNING_SECRET, "²", signature, b"body", 1000)
