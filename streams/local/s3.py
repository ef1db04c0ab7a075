"""A local S3 server: S3Proxy over a directory, for the archive's tests and for development without a cloud account."""

import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streams.local.class_data import class_data_options
from streams.local.jars import ARTIFACTS, install
from streams.local.java import find_java
from streams.local.ports import HOST
from streams.local.service import LocalService

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["LocalS3"]

_ANSWER_TIMEOUT_S = 2.0


class LocalS3(LocalService):
    """An S3 server on 127.0.0.1 that checks AWS signatures (version 4), as a context manager or by `start` and `stop`.

    Parameters
    ----------
    port
        Where it listens; 0 picks a free port, which stays the same after `kill` and `start`.
    data_dir
        Where buckets and objects are; None for a temporary directory, removed by `stop`.
    access_key, secret_key
        Credentials of the clients; a random secret by default.
    java_options
        Options for Java after those that are always passed.
    start_timeout_s
        How long the server may take to answer.

    Examples
    --------
    >>> with LocalS3() as s3:  # doctest: +SKIP
    ...     s3.create_bucket("evidence")
    ...     s3.client().put_object(Bucket="evidence", Key="a", Body=b"evidence")
    """

    title = "the local S3 server"
    region = "us-east-1"

    def __init__(
        self,
        port: int = 0,
        data_dir: Path | None = None,
        *,
        access_key: str = "halt400",
        secret_key: str | None = None,
        java_options: Sequence[str] = (),
        start_timeout_s: float = 60.0,
    ) -> None:
        super().__init__(port, data_dir, start_timeout_s=start_timeout_s)
        self.access_key = access_key
        self.secret_key = secret_key or secrets.token_hex(16)
        self._java_options = tuple(java_options)

    @property
    def endpoint_url(self) -> str:
        """The URL for clients, e.g. ``http://127.0.0.1:26514``."""
        return f"http://{HOST}:{self.port}"

    def client(self, *, access_key: str | None = None, secret_key: str | None = None) -> "S3Client":
        """Make a boto3 client for this server, with its own credentials or with others."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name=self.region,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def create_bucket(self, name: str) -> None:
        """Create a bucket unless it exists; a name has 3 to 63 lower-case letters, digits and hyphens."""
        client = self.client()
        try:
            client.create_bucket(Bucket=name)
        except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            pass
        finally:
            client.close()

    def _command(self) -> list[str | Path]:
        artifact = ARTIFACTS["s3proxy"]
        java, home = find_java(), install(artifact)
        objects = self.directory / "objects"
        objects.mkdir(exist_ok=True)
        config = self.directory / "s3proxy.properties"
        config.touch(mode=0o600)
        settings = {
            "s3proxy.endpoint": self.endpoint_url,
            "s3proxy.authorization": "aws-v4",
            "s3proxy.identity": self.access_key,
            "s3proxy.credential": self.secret_key,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": str(objects),
        }
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return [
            java,
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            *class_data_options(java, home, self._java_options),
            *self._java_options,
            f"-Dlogback.configurationFile={artifact.directory / 'logback.xml'}",
            "-cp",
            artifact.class_path(home),
            "org.gaul.s3proxy.Main",
            "--properties",
            config,
        ]

    def _answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=_ANSWER_TIMEOUT_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            # The request is unsigned, so a working server refuses it.
            return connection.recv(12) == b"HTTP/1.1 403"
