"""A server on loopback that nobody is to reach: it counts who connects."""

import socket
from threading import Thread
from types import TracebackType
from typing import Self

__all__ = ["Listener"]


class Listener:
    """Listens within a ``with``; `connections` is the number of those that came, final after it."""

    def __enter__(self) -> Self:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/latest/meta-data"
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # The last one is ours: what came before it has been counted.
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join(5)
        self.connections -= 1

    def _accept(self) -> None:
        self._socket.settimeout(0.2)
        with self._socket:
            while True:
                try:
                    connection, _ = self._socket.accept()
                except TimeoutError:
                    if self.connections:
                        return
                    continue
                self.connections += 1
                connection.close()
