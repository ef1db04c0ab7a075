"""Ports on the loopback interface for local services."""

import random
import socket
from collections.abc import Sequence

from halt400.errors import LocalServiceError

__all__ = ["HOST", "claim", "free_ports", "is_free"]

HOST = "127.0.0.1"

# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections: while a server is down
# between `kill` and `start`, no client's socket takes its port.
_FIRST, _LAST = 20000, 32000
_ATTEMPTS = 200


def free_ports(count: int, among: Sequence[int] = range(_FIRST, _LAST)) -> list[int]:
    """Pick ports on which nothing listens; start the server at once.

    Raises
    ------
    LocalServiceError
        No free port was found.
    """
    bound: list[socket.socket] = []
    try:
        for _ in range(_ATTEMPTS):
            if len(bound) == count:
                return [port.getsockname()[1] for port in bound]
            candidate = _listen(random.choice(among))  # noqa: S311
            if candidate is not None:
                bound.append(candidate)
    finally:
        for port in bound:
            port.close()
    raise LocalServiceError(
        f"No {count} free ports between {among[0]} and {among[-1]} on {HOST}.",
        "Stop what listens there, or pass a port.",
    )


def claim(port: int, service: str) -> int:
    """Check that a port that the operator chose is free, and return it.

    Raises
    ------
    LocalServiceError
        Something listens there.
    """
    if not is_free(port):
        raise LocalServiceError(
            f"Port {port} on {HOST} is in use, so {service} cannot start there.",
            "Stop what listens on it, or choose another with --port (0 picks a free one).",
        )
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on a port."""
    listener = _listen(port)
    if listener is None:
        return False
    listener.close()
    return True


def _listen(port: int) -> socket.socket | None:
    candidate = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As Java does: a port in TIME_WAIT is free, one with a listener is not.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
        candidate.listen(1)
    except OSError:
        candidate.close()
        return None
    return candidate
