"""Runs the API in this process: listens, follows the topics, and stops both in order."""

import errno
from collections.abc import Callable
from typing import Self

from aiohttp import web

from halt400.errors import SettingError
from halt400.start_stop import StartStop
from streams.api.access.access import Access, refuse_open_server
from streams.api.app import Extend, build_api
from streams.api.protocol import ProblemRunner
from streams.api.read_model import ReadModel, wall_clock_ms
from streams.archive.redaction import redactor_of
from streams.processing.policy_file import PolicyFile
from streams.settings import ApiSettings, Settings

__all__ = ["ApiServer"]

SHUTDOWN_TIMEOUT_S = 2.0
KEEPALIVE_TIMEOUT_S = 75.0


class ApiServer(StartStop):
    """Serves the API in the running event loop.

    Parameters
    ----------
    read_model
        Has the data; started and stopped with the server.
    api
        Where to listen, and who may use it.
    extend
        Adds the page.

    Examples
    --------
    >>> async def serve(settings: Settings) -> None:
    ...     async with ApiServer.of(settings) as server:
    ...         print(server.url)
    """

    def __init__(self, read_model: ReadModel, api: ApiSettings, extend: Extend | None = None) -> None:
        self.read_model = read_model
        self._api = api
        self._extend = extend
        self._runner: web.AppRunner | None = None
        self._port = api.port

    @classmethod
    def of(
        cls, settings: Settings, *, clock_ms: Callable[[], int] = wall_clock_ms, extend: Extend | None = None
    ) -> Self:
        """Build the server from the settings; `clock_ms` returns the current time, milliseconds since the epoch.

        Raises
        ------
        SettingError
            halt400.toml cannot be read, or something in it is wrong.
        """
        read_model = ReadModel(
            settings.kafka.connection,
            partitions=settings.kafka.partitions,
            redactor=redactor_of(settings),
            policies=PolicyFile(settings),
            listeners=settings.api.listeners,
            clock_ms=clock_ms,
        )
        return cls(read_model, settings.api, extend)

    async def start(self) -> None:
        """Listen and begin to follow; until the topics have been read, requests for data are answered with 503.

        Raises
        ------
        SettingError
            The port is in use, the host is not an address of this machine, or others can reach it and there are no
            tokens.
        """
        access = Access(self._api, self.read_model.clock_ms)
        refuse_open_server(self._api, access)
        runner = ProblemRunner(
            build_api(self.read_model, access, self._extend),
            access_log=None,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            keepalive_timeout=KEEPALIVE_TIMEOUT_S,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._api.host, self._api.port).start()
        except OSError as error:
            await runner.cleanup()
            raise _bind_error(self._api, error) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        await self.read_model.start()

    async def stop(self) -> None:
        """Finish the requests in progress, close, and stop following."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            await runner.cleanup()
        finally:
            await self.read_model.stop()

    @property
    def port(self) -> int:
        """The port; with port 0, the one that was chosen at the start."""
        return self._port

    @property
    def url(self) -> str:
        """The address for a client on this machine, such as ``http://127.0.0.1:8400``."""
        return base_url(self._api.host, self._port)


def base_url(host: str, port: int) -> str:
    """Return the address at which a client on the same machine reaches an API that listens on `host`."""
    reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _bind_error(api: ApiSettings, error: OSError) -> SettingError:
    if error.errno == errno.EADDRINUSE:
        return SettingError(
            f"HALT400_API_PORT={api.port}: the port is in use on {api.host}.",
            "Stop what listens there, or choose another (0 takes any free port).",
        )
    if error.errno == errno.EACCES:
        return SettingError(
            f"HALT400_API_PORT={api.port}: this user may not listen there.", "Choose a port above 1023."
        )
    return SettingError(
        f"HALT400_API_HOST={api.host}: cannot listen there ({error.strerror or error}).",
        "Choose an address of this machine.",
    )
