"""Takes the URL of a Kafka cluster apart; no error shows the URL, for it holds a password."""

from urllib.parse import parse_qsl, unquote, urlsplit

from halt400.errors import SettingError
from halt400.kafka.connection import Security, Tls, security_of

__all__ = ["parts_of"]

_PROTOCOLS = {
    "kafka": "PLAINTEXT",
    "kafka+ssl": "SSL",
    "kafka+sasl_plaintext": "SASL_PLAINTEXT",
    "kafka+sasl_ssl": "SASL_SSL",
}
_PARAMETERS = ("ca", "certificate", "key", "mechanism", "prefix")
_OF_TLS = ("ca", "certificate", "key")


def parts_of(url: str) -> tuple[str, str | None, Security]:
    """Return servers, prefix and security of a URL; see `KafkaConnection.from_url`."""
    # No scheme of the standard has an underscore, which Kafka's names have.
    scheme, _, rest = url.partition("://")
    try:
        parts = urlsplit(f"kafka://{rest}")
    except ValueError:
        raise SettingError("The URL of Kafka cannot be read.", "Percent-encode user and password.") from None
    protocol = _PROTOCOLS.get(scheme)
    if protocol is None:
        raise SettingError(f"The URL of Kafka begins with {scheme!r}.", f"Use one of {', '.join(_PROTOCOLS)}.")
    login, _, servers = parts.netloc.rpartition("@")
    if not servers:
        raise SettingError("The URL of Kafka has no host.", "Name one: kafka://host:9092,host:9092.")
    if parts.path not in ("", "/") or parts.fragment:
        raise SettingError(
            "The URL of Kafka has a path or a fragment.", "Percent-encode user and password; a prefix is ?prefix=."
        )
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in given:
        if name not in _PARAMETERS:
            raise SettingError(f"The URL of Kafka has the parameter {name!r}.", f"Known: {', '.join(_PARAMETERS)}.")
        if name in _OF_TLS and not protocol.endswith("SSL"):
            raise SettingError(f"The URL of Kafka has {name!r} without TLS.", "Use kafka+ssl or kafka+sasl_ssl.")
    username, separator, password = login.partition(":")
    is_login = protocol.startswith("SASL")
    if is_login != bool(username and separator and password):
        raise SettingError(
            f"The URL of Kafka begins with {scheme} and {'lacks user or password' if is_login else 'has a user'}.",
            "Write kafka+sasl_ssl://user:password@host:9093." if is_login else "Begin it with kafka+sasl_ssl.",
        )
    security = security_of(
        protocol,
        username=unquote(username) or None,
        password=unquote(password) or None,
        mechanism=given.get("mechanism", "PLAIN"),
        tls=Tls(*(given.get(name) for name in _OF_TLS)),
    )
    return servers, given.get("prefix"), security
