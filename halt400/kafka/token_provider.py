"""Tokens for OAUTHBEARER: what a command prints, or what is in a file, read again for each connection."""

import asyncio
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

__all__ = ["TokenProvider"]

COMMAND_TIMEOUT_S = 10.0
KEPT_S = 30.0
"""A token that a command has printed is used for other connections for so long."""
LONGEST_SHOWN = 200


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Gives aiokafka the token of a login.

    Parameters
    ----------
    command
        Prints the token; it is started without a shell.
    path
        Of the file with the token, where there is no command.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        command: str | None,
        path: str | os.PathLike[str] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._path, self._clock = command, path, clock
        self._kept: tuple[float, str] | None = None

    async def token(self) -> str:
        """Return a token.

        Raises
        ------
        KafkaConnectionError
            The command fails, or the file cannot be read. The client tries again, as with a broker that is away.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        if self._command is None:
            try:
                return Path(self._path or "").read_text().strip()
            except OSError as error:
                raise KafkaConnectionError(f"The token file {self._path} cannot be read: {error.strerror}") from error
        now = self._clock()
        if self._kept is None or now - self._kept[0] > KEPT_S:
            self._kept = now, self._run(self._command)
        return self._kept[1]

    def _run(self, command: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(command), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise KafkaConnectionError(f"The token command {command!r} does not run: {error}") from error
        if done.returncode or not done.stdout.strip():
            why = done.stderr.strip()[-LONGEST_SHOWN:]
            raise KafkaConnectionError(
                f"The token command {command!r} ended with {done.returncode}: {why or 'no token'}"
            )
        return done.stdout.strip()
