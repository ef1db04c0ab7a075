"""Faust connects as aiokafka's clients do: one value says how."""

from typing import Any

import faust
import pytest

from streams.settings import load_settings
from streams.worker.faust_app import new_app


def credentials(**kafka: Any) -> Any:
    return new_app(load_settings(kafka=kafka), "worker").conf.broker_credentials


LOGIN = {"sasl_username": "worker", "sasl_password": "s3cret", "sasl_mechanism": "SCRAM-SHA-512"}


def test_plaintext_has_none() -> None:
    assert credentials() is None


def test_tls_has_a_context() -> None:
    found = credentials(security_protocol="SSL")
    assert isinstance(found, faust.SSLCredentials)
    assert found.protocol.value == "SSL"
    assert found.context is not None


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_login_has_user_password_and_mechanism(protocol: str) -> None:
    found = credentials(security_protocol=protocol, **LOGIN)
    assert isinstance(found, faust.SASLCredentials)
    assert (found.username, found.password, found.mechanism.value) == ("worker", "s3cret", "SCRAM-SHA-512")
    assert found.protocol.value == protocol
    assert (found.ssl_context is not None) == (protocol == "SASL_SSL")
