"""`halt400 local`: run a local Kafka or a local S3 server in the foreground; install what they need."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from streams.local.service import LocalService

__all__ = ["register"]

Port = Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)]
Data = Annotated[Path | None, typer.Option(help="Directory for the data; without it they are removed at the end.")]


def register(app: typer.Typer) -> None:
    """Add ``local`` and its commands."""
    local = typer.Typer(
        name="local",
        help="A Kafka and an S3 server on this machine.\n\nExample: halt400 local kafka",
        no_args_is_help=True,
    )
    local.command("kafka")(kafka)
    local.command("s3")(s3)
    local.command("install")(install)
    app.add_typer(local)


def kafka(port: Port = 9092, data: Data = None) -> None:
    """Run a single-node Apache Kafka until Ctrl-C.

    Exit codes: 0 ended by Ctrl-C, 1 it did not start.

    Example: halt400 local kafka --port 9092 --data ./kafka
    """
    from streams.local import LocalKafka

    server = LocalKafka(port, data)
    _run(server, lambda: {"HALT400_KAFKA_BOOTSTRAP_SERVERS": server.bootstrap_servers})


def s3(
    port: Port = 9000,
    data: Data = None,
    bucket: Annotated[list[str] | None, typer.Option(help="Bucket to create where it is missing; repeatable.")] = None,
    access_key: Annotated[
        str, typer.Option(help="Access key of the clients.", envvar="HALT400_ARCHIVE_ACCESS_KEY_ID")
    ] = "halt400",
    secret_key: Annotated[
        str | None,
        typer.Option(help="Secret key of the clients; random by default.", envvar="HALT400_ARCHIVE_SECRET_ACCESS_KEY"),
    ] = None,
) -> None:
    """Run an S3 server until Ctrl-C; its credentials are printed.

    Exit codes: 0 ended by Ctrl-C, 1 it did not start.

    Example: halt400 local s3 --bucket evidence
    """
    from streams.local import LocalS3

    server = LocalS3(port, data, access_key=access_key, secret_key=secret_key)

    def settings() -> dict[str, str]:
        for name in bucket or []:
            server.create_bucket(name)
        return {
            "HALT400_ARCHIVE_ENDPOINT_URL": server.endpoint_url,
            "HALT400_ARCHIVE_REGION": server.region,
            "HALT400_ARCHIVE_ACCESS_KEY_ID": server.access_key,
            "HALT400_ARCHIVE_SECRET_ACCESS_KEY": server.secret_key,
        }

    _run(server, settings)


def install() -> None:
    """Download what the local servers need, verified by checksum; nothing is downloaded twice.

    Each server is started once, so that Java writes its classes to an archive: later starts take half the time.

    Exit codes: 0 installed, 1 a download failed or a server did not start.

    Example: halt400 local install
    """
    from streams.local import ARTIFACTS, LocalKafka, LocalS3, archive_class_data, find_java
    from streams.local import install as install_artifact

    console = Console(soft_wrap=True, highlight=False)
    java = find_java()
    console.print(f"Java: {java}")
    servers: dict[str, Callable[[Sequence[str]], LocalService]] = {
        "kafka": lambda options: LocalKafka(java_options=options),
        "s3proxy": lambda options: LocalS3(java_options=options),
    }
    for name, artifact in ARTIFACTS.items():
        home = install_artifact(artifact)
        console.print(f"{name}: {home}")
        archive_class_data(java, home, servers[name])


def _run(server: "LocalService", settings: Callable[[], dict[str, str]]) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a shell starts background jobs with it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with server:
            for name, value in settings().items():
                typer.echo(f"{name}={value}")
            console.print(
                f"{server.title[:1].upper()}{server.title[1:]} answers on port {server.port}; Ctrl-C stops it."
            )
            server.wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
