"""The real servers of a test session: started when a test first asks, shared by all the session's processes.

With pytest-xdist the tests run in processes of their own. The main process starts the servers and stops them; the
others ask it over a socket.
"""

import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from threading import Thread
from typing import Any

from streams.local import LocalKafka, LocalS3
from streams.local.ports import HOST
from streams.local.service import LocalService

__all__ = ["QUICK_JAVA", "Address", "Servers", "SharedServers", "handle_on_s3"]

QUICK_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:-UseG1GC", "-XX:+UseSerialGC")
"""Java options for a Kafka that lives for minutes: to optimize its code, or to collect its garbage with several
threads, takes more processor time than it saves."""

_SMALL_INDEXES = {"log.index.size.max.bytes": str(64 << 10)}
"""Tests make thousands of partitions, most of them for few records."""

Address = dict[str, Any]
"""What a client is given, e.g. ``{"port": 26514}``."""


class Moto(LocalService):
    """An S3 server with encryption at rest and lifecycle rules, which S3Proxy lacks."""

    title = "moto's server"

    def _command(self) -> list[str | Path]:
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)]

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0


class Servers:
    """The servers that this process has started, each once."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._addresses: dict[str, Address] = {}
        self._start: dict[str, Callable[[], Address]] = {"kafka": self._kafka, "s3": self._s3, "moto": self._moto}

    def __call__(self, name: str) -> Address:
        """The address of a server, which is started if it is not running."""
        if name not in self._addresses:
            self._addresses[name] = self._start[name]()
        return self._addresses[name]

    def close(self) -> None:
        self._stack.close()

    def _kafka(self) -> Address:
        broker = self._stack.enter_context(LocalKafka(java_options=QUICK_JAVA, properties=_SMALL_INDEXES))
        return {"bootstrap_servers": broker.bootstrap_servers}

    def _s3(self) -> Address:
        server = self._stack.enter_context(LocalS3())
        return {"port": server.port, "access_key": server.access_key, "secret_key": server.secret_key}

    def _moto(self) -> Address:
        return {"port": self._stack.enter_context(Moto()).port}


class SharedServers:
    """Answers the processes of a session that ask for a server, one at a time."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._key = secrets.token_bytes(16)
        self._listener = Listener((HOST, 0), authkey=self._key)
        self.place = {"address": list(self._listener.address), "key": self._key.hex()}
        """Where this one listens, in a form that another process can be sent."""
        Thread(target=self._answer, daemon=True).start()

    @staticmethod
    def ask(place: dict[str, Any], name: str) -> Address:
        """Ask the main process for a server."""
        with Client(tuple(place["address"]), authkey=bytes.fromhex(place["key"])) as connection:
            connection.send(name)
            answer = connection.recv()
        if isinstance(answer, BaseException):
            raise answer
        found: Address = answer
        return found

    def _answer(self) -> None:
        while True:
            with self._listener.accept() as connection:
                try:
                    answer: Any = self._servers(connection.recv())
                except Exception as error:
                    answer = RuntimeError(str(error))
                connection.send(answer)


def handle_on_s3(address: Address) -> LocalS3:
    """A handle on an S3 server that another process may have started: makes clients and buckets, stops nothing."""
    server = LocalS3(access_key=address["access_key"], secret_key=address["secret_key"])
    server._ports = [address["port"]]
    return server
