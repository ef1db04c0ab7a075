"""Ports for local services are free, distinct, and none that an outgoing connection could take."""

import socket

import pytest

from halt400.errors import LocalServiceError
from streams.local.ports import HOST, claim, free_ports, is_free


@pytest.mark.parametrize("count", [0, 1, 5])
def test_as_many_distinct_free_ports_as_asked_for(count: int) -> None:
    ports = free_ports(count)
    assert len(set(ports)) == count
    assert all(is_free(port) and 20000 <= port <= 32000 for port in ports)


def test_a_port_that_is_listened_on_is_not_free_and_cannot_be_claimed() -> None:
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(LocalServiceError, match=f"Port {port} on 127.0.0.1 is in use, so the broker cannot start"):
            claim(port, "the broker")
    assert claim(port, "the broker") == port
