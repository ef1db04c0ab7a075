"""Metrics are served on the port that is set, and a port in use is one clear error."""

import socket

import httpx
import pytest

from halt400.errors import SettingError
from streams.settings import MetricsSettings
from streams.worker.metrics_server import MetricsServer


async def test_metrics_are_served_until_the_server_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = MetricsServer(MetricsSettings(port=0), place=0)
    await server.start()
    url = caplog.messages[-1].removeprefix("Metrics at ").removesuffix(".")
    async with httpx.AsyncClient() as client:
        assert "halt400_events_total" in (await client.get(url)).text
        await server.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_no_port_no_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = MetricsServer(MetricsSettings(), place=1)
    await server.start()
    await server.stop()
    assert not caplog.messages


async def test_a_port_in_use_is_named_as_the_second_process_sees_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=rf"HALT400_METRICS_PORT={port - 1}: {port} on 127.0.0.1"):
            await MetricsServer(MetricsSettings(port=port - 1), place=1).start()
