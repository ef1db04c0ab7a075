import ssl
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from halt400 import KafkaConnection, Plaintext, SaslPlaintext, SaslTls, SettingError, Tls
from halt400.kafka.connection import Security
from halt400.kafka.token_provider import TokenProvider
from streams.settings import load_settings

MODES: list[Security] = [
    Plaintext(),
    Tls(),
    SaslPlaintext("scraper", "s3cret", "SCRAM-SHA-256"),
    SaslTls("scraper", "s3cret", "SCRAM-SHA-512"),
]


def test_a_string_is_a_connection_to_these_servers() -> None:
    assert KafkaConnection.of("kafka:9092") == KafkaConnection("kafka:9092", "halt400.", Plaintext())
    given = KafkaConnection("kafka:9092", "t.")
    assert KafkaConnection.of(given) is given
    assert given.topic("control") == "t.control"


@pytest.mark.parametrize("security", MODES, ids=lambda security: security.protocol)
def test_the_options_are_those_of_aiokafka(security: Security) -> None:
    options = KafkaConnection("kafka:9093", security=security, more_options={"client_id": "mine"}).client_options()
    assert options.pop("bootstrap_servers") == "kafka:9093"
    assert options.pop("client_id") == "mine"
    assert options.pop("security_protocol", "PLAINTEXT") == security.protocol
    assert isinstance(options.pop("ssl_context", None), ssl.SSLContext) == security.protocol.endswith("SSL")
    if isinstance(security, SaslPlaintext | SaslTls):
        assert options.pop("sasl_mechanism") == security.mechanism
        assert options.pop("sasl_plain_username") == "scraper"
        assert options.pop("sasl_plain_password") == "s3cret"
    assert options == {}


@pytest.mark.parametrize("security", MODES, ids=lambda security: security.protocol)
def test_no_secret_is_shown(security: Security) -> None:
    connection = KafkaConnection("kafka:9093", security=security, more_options={"sasl_plain_password": "s3cret"})
    assert "s3cret" not in f"{connection!r} {connection} {security!r}"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"BOOTSTRAP_SERVERS": "a:9092,b:9092", "TOPIC_PREFIX": "t."},
        {"SECURITY_PROTOCOL": "SSL", "SSL_CA_PATH": "/ca.pem", "SSL_CERTIFICATE_PATH": "/c.pem", "SSL_KEY_PATH": "/k"},
        {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_USERNAME": "scraper", "SASL_PASSWORD": "s3cret"},
        {
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_MECHANISM": "SCRAM-SHA-512",
            "SASL_USERNAME": "scraper",
            "SASL_PASSWORD_FILE": "password",
            "SSL_CA_PATH": "/ca.pem",
        },
        {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "SASL_TOKEN_PATH": "/token"},
        {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "OAUTHBEARER", "SASL_TOKEN_COMMAND": "token"},
    ],
    ids=lambda variables: variables.get("SECURITY_PROTOCOL", "PLAINTEXT"),
)
def test_the_service_and_the_sdk_read_the_same_from_the_environment(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("password").write_text("s3cret\n")
    for name, value in variables.items():
        monkeypatch.setenv(f"HALT400_KAFKA_{name}", value)
    found, expected = KafkaConnection.from_environment(), load_settings().kafka.connection
    assert (found.servers, found.topic_prefix) == (expected.servers, expected.topic_prefix)
    assert type(found.security) is type(expected.security)
    assert fields_of(found.security) == fields_of(expected.security)


def fields_of(security: Security) -> dict[str, str]:
    """Its fields as text, those of its TLS among them: a path is a string or a `Path`."""
    fields: dict[str, Any] = asdict(security)
    return {name: str(value) for name, value in (fields | (fields.get("tls") or {})).items() if name != "tls"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"BOOTSTRAP_SERVERS": ""}, "BOOTSTRAP_SERVERS"),
        ({"SECURITY_PROTOCOL": "TLS"}, "SECURITY_PROTOCOL='TLS'"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "MD5"}, "SASL_MECHANISM='MD5'"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}, "SASL_TOKEN_COMMAND"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_PASSWORD": "s3cret"}, "SASL_USERNAME"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "scraper"}, "SASL_PASSWORD"),
        ({"SASL_PASSWORD_FILE": "/nowhere"}, "SASL_PASSWORD_FILE=/nowhere"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], named: str) -> None:
    environment = {f"HALT400_KAFKA_{name}": value for name, value in variables.items()}
    with pytest.raises(SettingError, match=f"HALT400_KAFKA_{named}") as raised:
        KafkaConnection.from_environment(environment)
    assert "s3cret" not in str(raised.value)


async def test_the_token_of_a_command_is_kept_for_half_a_minute_that_of_a_file_is_read_each_time(
    tmp_path: Path,
) -> None:
    now, file = [0.0], tmp_path / "token"
    by_command, by_path = TokenProvider(f"cat '{file}'", None, lambda: now[0]), TokenProvider(None, file)
    for number, (after_s, expected) in enumerate([(0, "0"), (29, "0"), (31, "2")]):
        file.write_text(f"{number}\n")
        now[0] = after_s
        assert (await by_command.token(), await by_path.token()) == (expected, str(number))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("no-such-command-400", "does not run"),
        ("sh -c 'echo denied >&2; exit 3'", "ended with 3: denied"),
        ("true", "ended with 0: no token"),
        ("'", "does not run: No closing quotation"),
        (None, "/nowhere cannot be read"),
    ],
)
async def test_a_token_that_is_not_there_is_a_connection_that_fails(command: str | None, named: str) -> None:
    with pytest.raises(KafkaConnectionError, match=named):
        await TokenProvider(command, "/nowhere").token()
