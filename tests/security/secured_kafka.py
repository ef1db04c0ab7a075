"""A broker that asks for TLS, a login or a client certificate, and for rights; a plain listener administers it."""

import datetime as dt
import ipaddress
import json
import os
import shutil
import subprocess
import time
from base64 import urlsafe_b64encode
from functools import cached_property
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from streams.doctor.acls import Grant
from streams.local import LocalKafka
from streams.local.ports import HOST, free_ports
from tests.security.issuer import AUDIENCE, ISSUER, TokenIssuer
from tests.servers import QUICK_JAVA

__all__ = ["JAVAC", "MSK_KEY", "MSK_SECRET", "PASSWORD", "Authority", "SecuredKafka"]

PASSWORD = "s3cret-of-the-test"
MSK_KEY, MSK_SECRET = "AKIDEXAMPLE", "secret-key-of-the-test"
JAVAC = shutil.which("javac")
"""The compiler of Java, without which there is no listener ``MSK``."""
_PRESIGNED_TOKENS = Path(__file__).with_name("msk") / "PresignedTokens.java"
_LOGIN = "org.apache.kafka.common.security"


class Authority:
    """A certificate authority, whose certificate is `ca`, in PEM files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        certificate = self._certificate(self._name, self._key.public_key(), is_ca=True)
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str) -> tuple[Path, Path, Path]:
        """Issue a certificate for 127.0.0.1; its file, that of its key, and one with both."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        certificate = self._certificate(subject, key.public_key(), is_ca=False).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths = tuple(self._directory / f"{common_name}.{part}.pem" for part in ("certificate", "key", "both"))
        for path, content in zip(paths, (certificate, secret, secret + certificate), strict=True):
            path.write_bytes(content)
        return paths[0], paths[1], paths[2]

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


class SecuredKafka(LocalKafka):
    """Listens five times more: SASL_SSL, SASL_PLAINTEXT, SSL with a client certificate, JWT, and MSK, as AWS MSK does.

    JWT is SASL_SSL where tokens need the signature of `issuer`, by Kafka's own validator.

    Parameters
    ----------
    users
        Who may log in by PLAIN; those of SCRAM are made by `add_scram_user`.
    """

    def __init__(self, authority: Authority, users: tuple[str, ...], issuer: TokenIssuer) -> None:
        self._jwks = issuer.jwks.as_uri()
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._jwks}"
        super().__init__(heap="384m", java_options=(*QUICK_JAVA, allowed))
        self._ca, self._users = authority.ca, users
        _, _, self._both = authority.issue("broker")
        self._protocols = {name: name for name in ("SASL_SSL", "SASL_PLAINTEXT", "SSL")} | {"JWT": "SASL_SSL"}
        if JAVAC is not None:
            self._protocols["MSK"] = "SASL_SSL"
        self._secured = dict(zip(self._protocols, free_ports(len(self._protocols)), strict=True))

    def servers(self, protocol: str) -> str:
        """The address of a listener."""
        return f"{HOST}:{self._secured[protocol]}"

    def server_properties(self) -> dict[str, str]:
        """Those of a local Kafka, with the listeners that ask, and an authorizer that knows one administrator."""
        found = super().server_properties()
        listeners = "".join(f",{name}://{HOST}:{port}" for name, port in self._secured.items())
        found["listeners"] += listeners
        found["advertised.listeners"] += listeners
        found["listener.security.protocol.map"] += "".join(f",{name}:{of}" for name, of in self._protocols.items())
        users = " ".join(f'user_{user}="{PASSWORD}"' for user in self._users)
        found |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._ca),
            "listener.name.ssl.ssl.client.auth": "required",
        }
        for name in ("sasl_ssl", "sasl_plaintext"):
            prefix = f"listener.name.{name}"
            found[f"{prefix}.plain.sasl.jaas.config"] = f"{_LOGIN}.plain.PlainLoginModule required {users};"
            module = f'{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            found[f"{prefix}.oauthbearer.sasl.jaas.config"] = module
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                found[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{_LOGIN}.scram.ScramLoginModule required;"
        found |= self._verifying()
        if "MSK" in self._protocols:
            module = f'{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"'
            found |= {
                "listener.name.msk.sasl.enabled.mechanisms": "OAUTHBEARER",
                "listener.name.msk.oauthbearer.sasl.jaas.config": f'{module} secret="{MSK_SECRET}";',
                "listener.name.msk.oauthbearer.sasl.server.callback.handler.class": _PRESIGNED_TOKENS.stem,
            }
        return found

    def _verifying(self) -> dict[str, str]:
        """The listener JWT; see https://kafka.apache.org/41/documentation/#security_sasl_oauthbearer_prod.

        Where the names of these settings have the mechanism after the listener, as that page has them, Kafka 4.1 takes
        any token that is well formed: its validator does not see the keys, and checks no signature (CVE-2026-110985).
        """
        oauthbearer, prefix = f"{_LOGIN}.oauthbearer", "listener.name.jwt.sasl.oauthbearer"
        return {
            "listener.name.jwt.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.jwt.oauthbearer.sasl.jaas.config": f"{oauthbearer}.OAuthBearerLoginModule required;",
            "listener.name.jwt.oauthbearer.sasl.server.callback.handler.class": (
                f"{oauthbearer}.OAuthBearerValidatorCallbackHandler"
            ),
            f"{prefix}.jwt.validator.class": f"{oauthbearer}.BrokerJwtValidator",
            f"{prefix}.jwks.endpoint.url": self._jwks,
            f"{prefix}.expected.audience": AUDIENCE,
            f"{prefix}.expected.issuer": ISSUER,
        }

    def _command(self) -> list[str | Path]:
        command = super()._command()
        place = command.index("-cp") + 1
        if JAVAC is not None:
            compiler = [JAVAC, "-cp", command[place], "-d", self.directory, _PRESIGNED_TOKENS]
            subprocess.run(compiler, check=True, timeout=60)
            command[place] = f"{command[place]}{os.pathsep}{self.directory}"
        return command

    def token(self, user: str) -> str:
        """An unsecured token (RFC 7515, appendix A.5), as the broker takes it where no issuer is configured."""
        now = int(time.time())
        parts = {"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600}
        header, claims = (urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return f"{header}.{claims}."

    def add_scram_user(self, name: str) -> None:
        """Add a user of both mechanisms of SCRAM."""
        changes = [
            UserScramCredentialUpsertion(name, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        for change in changes:
            for done in self._admin.alter_user_scram_credentials([change]).values():
                done.result(30)

    def grant(self, user: str, grants: list[Grant]) -> None:
        """Give a user rights."""
        bindings = [
            AclBinding(
                ResourceType[grant.resource.upper()],
                grant.name,
                ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                _OPERATIONS[grant.operation],
                AclPermissionType.ALLOW,
            )
            for grant in grants
        ]
        for done in self._admin.create_acls(bindings).values():
            done.result(30)

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})


_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Create": AclOperation.CREATE,
}
