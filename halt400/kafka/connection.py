"""How to connect to Kafka: servers, topic prefix, encryption and login, in one frozen value.

Every client takes a `KafkaConnection` or a string of servers. This module loads no Kafka library.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, get_args

from halt400.errors import SettingError
from halt400.signing import Signing

if TYPE_CHECKING:
    import ssl

__all__ = [
    "KafkaConnection",
    "Plaintext",
    "SaslMechanism",
    "SaslPlaintext",
    "SaslTls",
    "SaslToken",
    "Security",
    "Tls",
    "security_of",
]

FilePath = str | os.PathLike[str]
PasswordMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SaslMechanism = Literal[PasswordMechanism, "OAUTHBEARER"]

_PREFIX = "HALT400_KAFKA_"


@dataclass(frozen=True, slots=True)
class Plaintext:
    """No encryption, no login."""

    protocol: ClassVar[str] = "PLAINTEXT"

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        return {}


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypted, without a password; with a client certificate for mutual TLS.

    Parameters
    ----------
    ca_path
        CA bundle (PEM); ``None``: the system's.
    certificate_path, key_path
        Client certificate and its key (PEM), for mutual TLS.
    """

    protocol: ClassVar[str] = "SSL"

    ca_path: FilePath | None = None
    certificate_path: FilePath | None = None
    key_path: FilePath | None = None

    def ssl_context(self) -> "ssl.SSLContext":
        """Build a TLS context from the files."""
        import ssl  # only connections with TLS need it

        context = ssl.create_default_context(cafile=self.ca_path)
        if self.certificate_path is not None:
            context.load_cert_chain(self.certificate_path, self.key_path)
        return context

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        return {"security_protocol": self.protocol, "ssl_context": self.ssl_context()}


@dataclass(frozen=True, slots=True)
class SaslPlaintext:
    """Login by user and password, without encryption."""

    protocol: ClassVar[str] = "SASL_PLAINTEXT"

    username: str
    password: str = field(repr=False)
    mechanism: PasswordMechanism = "PLAIN"

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        return {"security_protocol": self.protocol, **_login(self)}


@dataclass(frozen=True, slots=True)
class SaslTls:
    """Login by user and password, encrypted."""

    protocol: ClassVar[str] = "SASL_SSL"

    username: str
    password: str = field(repr=False)
    mechanism: PasswordMechanism = "PLAIN"
    tls: Tls = field(default_factory=Tls)

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        return {"security_protocol": self.protocol, "ssl_context": self.tls.ssl_context(), **_login(self)}


@dataclass(frozen=True, slots=True)
class SaslToken:
    """Login by a token (OAUTHBEARER), which is read again for each connection.

    Parameters
    ----------
    command
        Prints a token; it is started without a shell.
    path
        File with a token, where there is no command.
    tls
        ``None``: without encryption.
    """

    mechanism: ClassVar[str] = "OAUTHBEARER"

    command: str | None = None
    path: FilePath | None = None
    tls: Tls | None = field(default_factory=Tls)

    @property
    def protocol(self) -> str:
        """Kafka's name of it."""
        return SaslPlaintext.protocol if self.tls is None else SaslTls.protocol

    def provider(self) -> Any:
        """The token provider of an aiokafka client."""
        from halt400.kafka.token_provider import TokenProvider

        return TokenProvider(self.command, self.path)

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client."""
        encrypted = {} if self.tls is None else {"ssl_context": self.tls.ssl_context()}
        return {
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_oauth_token_provider": self.provider(),
            **encrypted,
        }


Security = Plaintext | Tls | SaslPlaintext | SaslTls | SaslToken


def _login(sasl: SaslPlaintext | SaslTls) -> dict[str, Any]:
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.username,
        "sasl_plain_password": sasl.password,
    }


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """A Kafka cluster and how to connect to it.

    Parameters
    ----------
    servers
        Kafka's addresses, ``host:port,host:port``; for a URL see `from_url`.
    topic_prefix
        Prefix of the names of Halt400's topics.
    security
        `Plaintext`, `Tls`, `SaslPlaintext`, `SaslTls` or `SaslToken`.
    more_options
        Further arguments for every aiokafka client; not shown by ``repr``, since they may contain secrets.
    signing
        Whose signature commands and operations get, and whose are believed; default: none, and every record is.

    Examples
    --------
    >>> kafka = KafkaConnection("kafka:9093", security=SaslTls("scraper", "secret", "SCRAM-SHA-512"))
    >>> kafka.topic("responses")
    'halt400.responses'
    >>> kafka.security
    SaslTls(username='scraper', mechanism='SCRAM-SHA-512', tls=Tls(ca_path=None, certificate_path=None, key_path=None))
    """

    servers: str = "127.0.0.1:9092"
    topic_prefix: str = "halt400."
    security: Security = field(default_factory=Plaintext)
    more_options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    signing: Signing = field(default_factory=Signing, repr=False)

    def __post_init__(self) -> None:
        if "://" in self.servers:
            # The value may hold a password: it is not shown.
            raise SettingError("servers is a URL.", "Use KafkaConnection.from_url, or pass host:port,host:port.")

    @classmethod
    def of(cls, kafka: "str | KafkaConnection") -> "KafkaConnection":
        """Return `kafka`; a string becomes a connection to these servers, or to those of a URL."""
        if not isinstance(kafka, str):
            return kafka
        return cls.from_url(kafka) if "://" in kafka else cls(kafka)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read a URL: ``kafka+sasl_ssl://user:password@host:9093,host:9093/?mechanism=SCRAM-SHA-512&ca=/path``.

        Parameters
        ----------
        url
            Schemes: ``kafka``, ``kafka+ssl``, ``kafka+sasl_plaintext``, ``kafka+sasl_ssl``. Parameters: ``mechanism``,
            ``ca``, ``certificate``, ``key`` (paths) and ``prefix`` (of the topics' names). User and password are
            percent-encoded.

        Raises
        ------
        SettingError
            A part of it is wrong or missing; the message shows no password.

        Examples
        --------
        >>> KafkaConnection.from_url("kafka+sasl_ssl://scraper:s3cret@kafka:9093/?prefix=t.").security
        SaslTls(username='scraper', mechanism='PLAIN', tls=Tls(ca_path=None, certificate_path=None, key_path=None))
        """
        from halt400.kafka.connection_url import parts_of

        servers, prefix, security = parts_of(url)
        found = cls(servers, security=security)
        return found if prefix is None else replace(found, topic_prefix=prefix)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the variables ``HALT400_KAFKA_*``, which the service reads too; see docs/settings.md.

        Parameters
        ----------
        environment
            The variables; default: those of this process.

        Raises
        ------
        SettingError
            A variable is wrong or missing; the message names it.
        """
        variables = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        key, trusted = (_read(variables, f"SIGNING_{name}") for name in ("KEY", "TRUSTED"))
        signing = Signing.of(key, trusted) if key or trusted else Signing()
        for field_name, name in (("servers", "BOOTSTRAP_SERVERS"), ("topic_prefix", "TOPIC_PREFIX")):
            if (value := _read(variables, name)) is not None:
                found[field_name] = value
        if "://" in found.get("servers", ""):
            of_url = cls.from_url(found["servers"])
            return replace(of_url, topic_prefix=found.get("topic_prefix", of_url.topic_prefix), signing=signing)
        if found.get("servers") == "":
            raise SettingError(f"{_PREFIX}BOOTSTRAP_SERVERS is empty.", "Set it to host:port,host:port, or unset it.")
        return cls(
            **found,
            signing=signing,
            security=security_of(
                _read(variables, "SECURITY_PROTOCOL") or "PLAINTEXT",
                username=_read(variables, "SASL_USERNAME"),
                password=_read(variables, "SASL_PASSWORD"),
                mechanism=_read(variables, "SASL_MECHANISM") or "PLAIN",
                token=SaslToken(_read(variables, "SASL_TOKEN_COMMAND"), _read(variables, "SASL_TOKEN_PATH")),
                tls=Tls(*(_read(variables, f"SSL_{name}_PATH") for name in ("CA", "CERTIFICATE", "KEY"))),
            ),
        )

    def topic(self, name: str) -> str:
        """Full name of one of Halt400's topics."""
        return f"{self.topic_prefix}{name}"

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client: producer, consumer or admin client."""
        return {"bootstrap_servers": self.servers, **self.security.client_options(), **self.more_options}


def security_of(
    protocol: str,
    *,
    username: str | None,
    password: str | None,
    mechanism: str,
    tls: Tls,
    token: SaslToken | None = None,
) -> Security:
    """Return the model of a security protocol by its Kafka name: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.

    Raises
    ------
    SettingError
        The protocol or mechanism is unknown, or user, password or token is missing.
    """
    if protocol == Plaintext.protocol:
        return Plaintext()
    if protocol == Tls.protocol:
        return tls
    if protocol not in (SaslPlaintext.protocol, SaslTls.protocol):
        raise SettingError(
            f"{_PREFIX}SECURITY_PROTOCOL={protocol!r}: this protocol is unknown.",
            "Choose one of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL.",
        )
    if mechanism == SaslToken.mechanism:
        if token is None or (token.command is None) == (token.path is None):
            raise SettingError(
                f"{_PREFIX}SASL_MECHANISM is {mechanism}, which needs one way to a token.",
                f"Set either {_PREFIX}SASL_TOKEN_COMMAND or {_PREFIX}SASL_TOKEN_PATH.",
            )
        return replace(token, tls=tls if protocol == SaslTls.protocol else None)
    if mechanism not in get_args(PasswordMechanism):
        raise SettingError(
            f"{_PREFIX}SASL_MECHANISM={mechanism!r}: this mechanism is unknown.",
            f"Choose one of {', '.join(get_args(SaslMechanism))}.",
        )
    if username is None or password is None:
        missing = "SASL_USERNAME" if username is None else "SASL_PASSWORD"
        raise SettingError(f"{_PREFIX}{missing} is not set, and {protocol} needs it.", "Set it.")
    chosen = cast(PasswordMechanism, mechanism)
    if protocol == SaslPlaintext.protocol:
        return SaslPlaintext(username, password, chosen)
    return SaslTls(username, password, chosen, tls)


def _read(variables: Mapping[str, str], name: str) -> str | None:
    """Return the value of a variable, or the content of the file that its ``_FILE`` twin names."""
    value, path = variables.get(f"{_PREFIX}{name}"), variables.get(f"{_PREFIX}{name}_FILE")
    if value is not None or path is None:
        return value
    try:
        return Path(path).read_text().rstrip("\n")
    except OSError as error:
        raise SettingError(
            f"{_PREFIX}{name}_FILE={path}: cannot be read ({error.strerror}).", "Name a file that exists."
        ) from error
