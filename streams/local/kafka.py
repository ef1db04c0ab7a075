"""A local Apache Kafka: one node that is broker and controller (KRaft), for development, tests and benchmarks."""

import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from halt400.errors import LocalServiceError
from streams.local.class_data import class_data_options
from streams.local.jars import ARTIFACTS, install
from streams.local.java import find_java
from streams.local.ports import HOST
from streams.local.service import LocalService
from streams.processes.supervised import without_frames

__all__ = ["LocalKafka"]

_MAX_MESSAGE_BYTES = 16 << 20
_ANSWER_TIMEOUT_S = 2.0

# Metadata, version 4, correlation id 1, client id "halt400", an empty list of topics, no automatic creation.
_METADATA_REQUEST = struct.pack(">hhih7sib", 3, 4, 1, 7, b"halt400", 0, 0)


class LocalKafka(LocalService):
    """A Kafka node on 127.0.0.1, as a context manager or by `start` and `stop`.

    Parameters
    ----------
    port
        Where it listens; 0 picks a free port, which stays the same after `kill` and `start`.
    data_dir
        Where the log segments are; None for a temporary directory, removed by `stop`.
    heap
        The JVM's heap as ``-Xmx`` takes it.
    java_options
        Options for Java after those that are always passed.
    properties
        Broker settings over those of `server_properties`.
    cluster_id
        The same for every node of a cluster of several; a random one by default.
    start_timeout_s
        How long the broker may take to answer, and the formatting of its directory before.

    Examples
    --------
    >>> with LocalKafka() as kafka:  # doctest: +SKIP
    ...     print(kafka.bootstrap_servers)
    127.0.0.1:26514
    """

    title = "the local Kafka"
    _extra_ports = 1

    def __init__(
        self,
        port: int = 0,
        data_dir: Path | None = None,
        *,
        heap: str = "1g",
        java_options: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
        start_timeout_s: float = 90.0,
    ) -> None:
        super().__init__(port, data_dir, start_timeout_s=start_timeout_s)
        self._heap = heap
        self._java_options = tuple(java_options)
        self._properties = dict(properties or {})
        self._cluster_id = cluster_id or _random_cluster_id()

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, e.g. ``127.0.0.1:26514``."""
        return f"{HOST}:{self.port}"

    def server_properties(self) -> dict[str, str]:
        """The broker's settings: loopback only, no automatic topics, no delays that make no sense on a single node."""
        port, controller = self._ports
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.directory / "log"),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(_MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(_MAX_MESSAGE_BYTES),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            # After a kill the controller accepts the broker only when its old session has ended; the default is 9 s.
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "500",
            # The default of 128 MiB would be an eighth of the heap.
            "log.cleaner.dedupe.buffer.size": str(32 << 20),
            **self._properties,
        }

    def _command(self) -> list[str | Path]:
        java, home = find_java(), install(ARTIFACTS["kafka"])
        class_path = ARTIFACTS["kafka"].class_path(home)
        class_data = class_data_options(java, home, self._java_options)
        config = self.directory / "server.properties"
        config.write_text("".join(f"{name}={_escaped(value)}\n" for name, value in self.server_properties().items()))
        if not (self.directory / "log" / "meta.properties").is_file():
            self._format([java, *class_data], class_path, config)
        return [
            java,
            f"-Xmx{self._heap}",
            "-Xms256m",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Dlog4j2.level=INFO",
            *class_data,
            *self._java_options,
            "-cp",
            class_path,
            "kafka.Kafka",
            config,
        ]

    def _format(self, java: Sequence[str | Path], class_path: str, config: Path) -> None:
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx256m"]
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", self._cluster_id, "--config", str(config)]
        try:
            run = subprocess.run(
                [*java, *quick, "-cp", class_path, *tool],
                capture_output=True,
                text=True,
                timeout=self._start_timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LocalServiceError(
                f"Formatting {self.directory} for Kafka took over {self._start_timeout_s:g} s.",
                "Is the disk full or the machine overloaded? Try again.",
            ) from error
        if run.returncode != 0:
            reason = " ".join(without_frames(run.stdout + run.stderr)[-3:])
            raise LocalServiceError(
                f"The Kafka data directory {self.directory} cannot be formatted: {reason}.",
                "Check that it is writable and has space, and the properties that were passed.",
            )

    def _answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=_ANSWER_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA_REQUEST)) + _METADATA_REQUEST)
            with connection.makefile("rb") as stream:
                head = stream.read(4)
                if len(head) < 4:
                    return False
                body = stream.read(struct.unpack(">i", head)[0])
        # Correlation id, throttle time, number of brokers: a broker is listed once the controller has unfenced it.
        return len(body) >= 12 and struct.unpack_from(">iii", body)[2] >= 1


def _random_cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A").replace("_", "B")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
