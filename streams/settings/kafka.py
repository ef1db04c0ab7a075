"""The settings of the connection to Kafka, and of who signs what is written to it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from halt400.kafka.connection import KafkaConnection, SaslMechanism, SaslToken, Tls, security_of
from halt400.signing import Signing
from streams.settings.section import Section

__all__ = ["KafkaSettings"]


class KafkaSettings(Section):
    """Where Kafka is, and how the topics are declared on it."""

    bootstrap_servers: str = Field("127.0.0.1:9092", min_length=1, description="Brokers, host:port, comma-separated.")
    topic_prefix: str = Field("halt400.", pattern=r"^[A-Za-z0-9._-]*$", description="Prefix of every topic and group.")
    partitions: int = Field(12, ge=1, description="Partitions of every keyed topic; one count for all of them.")
    replication_factor: int = Field(
        -1, ge=-1, description="Replicas of every topic; -1 takes the cluster's default.replication.factor."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether connections are encrypted (SSL) and authenticated (SASL)."
    )
    sasl_mechanism: SaslMechanism = Field(
        "PLAIN", description="How a client logs in, with a SASL protocol: by password, or OAUTHBEARER by a token."
    )
    sasl_username: str | None = Field(None, description="User of the broker; required for a login by password.")
    sasl_password: SecretStr | None = Field(None, description="The user's password; required for a login by password.")
    sasl_token_command: str | None = Field(
        None, description="Prints the token of OAUTHBEARER; started without a shell."
    )
    sasl_token_path: Path | None = Field(None, description="File with the token, instead of a command.")
    ssl_ca_path: Path | None = Field(None, description="CA bundle (PEM); the system's where unset.")
    ssl_certificate_path: Path | None = Field(None, description="Client certificate (PEM) for mutual TLS.")
    ssl_key_path: Path | None = Field(None, description="Key of the client certificate (PEM).")
    signing_key: SecretStr | None = Field(
        None, description="NAME:BASE64 from `halt400 signing-key`: commands and operations are signed with it."
    )
    signing_trusted: str | None = Field(
        None, description="Keys whose commands and operations are believed, NAME:RIGHT:BASE64; all are where unset."
    )
    session_timeout_s: float = Field(10.0, ge=1, description="A killed worker's partitions move after this long.")
    request_timeout_s: float = Field(40.0, ge=1, description="A request to the broker is given up after this long.")
    delivery_timeout_s: float = Field(
        600.0, ge=1, description="A record that the broker did not take for this long ends the worker; nothing is lost."
    )

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> "KafkaSettings":
        has_login = self.sasl_username is not None and self.sasl_password is not None
        if self.sasl_mechanism == "OAUTHBEARER":
            if (self.sasl_token_command is None) == (self.sasl_token_path is None):
                raise ValueError("sasl_mechanism OAUTHBEARER needs either sasl_token_command or sasl_token_path")
        elif self.security_protocol.startswith("SASL") and not has_login:
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        return self

    def topic(self, name: str) -> str:
        """Full name of one of our topics."""
        return f"{self.topic_prefix}{name}"

    @property
    def connection(self) -> KafkaConnection:
        """The connection of every Kafka client."""
        return KafkaConnection(
            self.bootstrap_servers,
            self.topic_prefix,
            security_of(
                self.security_protocol,
                username=self.sasl_username,
                password=self.sasl_password.get_secret_value() if self.sasl_password else None,
                mechanism=self.sasl_mechanism,
                token=SaslToken(self.sasl_token_command, self.sasl_token_path),
                tls=Tls(self.ssl_ca_path, self.ssl_certificate_path, self.ssl_key_path),
            ),
            signing=Signing.of(
                self.signing_key.get_secret_value() if self.signing_key is not None else None, self.signing_trusted
            ),
        )
