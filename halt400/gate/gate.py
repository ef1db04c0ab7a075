"""The gate: refuses the requests of quarantined scopes; it answers from memory, in about a microsecond.

It follows the topic `control`, which has the full state of every scope. Without Kafka the known commands stay in force
until they expire; a gate that never reached Kafka refuses nothing. Synchronous scrapers use `halt400.sync.SyncGate`.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping

from halt400.errors import BrokerUnavailable, JobQuarantined
from halt400.gate.commands import KnownCommands, is_newer
from halt400.gate.listeners import Listeners
from halt400.gate.probing import Probes
from halt400.gate.savings_reporter import SavingsReporter
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Follower
from halt400.kafka.latest import Changes
from halt400.operations import OperationPublisher
from halt400.records import Command
from halt400.start_stop import StartStop

__all__ = ["Gate"]


class Gate(StartStop):
    """Knows which requests must not be sent.

    Starting connects in the background and does not fail without Kafka; `wait_caught_up` waits until every command
    issued so far is known.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    fail_open
        Whether requests pass while the gate is not up to date: Kafka has not answered for `stale_after_s`, or never.
        Known commands are in force either way. With ``False``, `check` raises `BrokerUnavailable` meanwhile.
    may_probe
        Called with a command in state ``probing``: whether this process has the lease for the probe. If it returns
        true, one request per command is let through. Default: the gate claims the lease itself when it has a request
        to send, and lets one through when it gets the lease; pass its status to `report`.
    stale_after_s
        Seconds without an answer of Kafka after which the gate is not up to date.
    clock_ms
        Milliseconds since the epoch, compared with `expires_at`.

    Attributes
    ----------
    name : str
        Name of the gate in leases of probes and in `savings`; no other gate has it.

    Examples
    --------
    >>> async def scrape(kafka: str) -> None:
    ...     async with Gate(kafka) as gate:
    ...         gate.raise_if_halted("api.shop.example", "extract-099")
    """

    def __init__(
        self,
        kafka: str | KafkaConnection,
        *,
        fail_open: bool = True,
        may_probe: Callable[[Command], bool] | None = None,
        stale_after_s: float = 10.0,
        clock_ms: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self.name = f"gate/{socket.gethostname()[:64]}/{os.getpid()}/{secrets.token_hex(6)}"
        connection = KafkaConnection.of(kafka)
        self._follower = Follower(
            connection,
            connection.topic("control"),
            on_changes=self._learn,
            newer=is_newer,
            stale_after_s=stale_after_s,
            client_id="halt400-gate",
        )
        self._fail_open = fail_open
        self._clock_ms = clock_ms
        self._commands = KnownCommands()
        self._by_target = self._commands.by_target
        self._operations = OperationPublisher(connection, clock_ms=clock_ms)
        self._probes = Probes(self.name, self._operations, may_probe)
        self._unreported = self._probes.unreported
        self._savings = SavingsReporter(
            self.name, self._operations.sender, connection.topic("savings"), clock_ms=clock_ms
        )
        self._listeners = Listeners()

    async def start(self) -> None:
        """Begin to follow `control`, in the background."""
        self._probes.start()
        self._savings.start()
        await self._follower.start()

    async def stop(self) -> None:
        """Stop following, after a last report of the counts; known commands stay in force until they expire."""
        await self._follower.stop()
        await self._savings.stop()
        await self._probes.stop()
        await self._operations.stop()

    async def wait_caught_up(self, timeout_s: float | None = None) -> bool:
        """Wait until every command issued before this call is known.

        Parameters
        ----------
        timeout_s
            Seconds after which the wait ends as `fail_open` says; ``None``: as long as it takes.

        Returns
        -------
        bool
            Whether it is known; False after `timeout_s`, where requests pass all the same.

        Raises
        ------
        BrokerUnavailable
            It is not known after `timeout_s`, and the gate was made with ``fail_open=False``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._follower.wait_caught_up()
        except TimeoutError:
            if self._fail_open:
                return False
            raise BrokerUnavailable(
                f"{self._follower.topic} could not be read within {timeout_s:g} s.",
                "Start the broker, or set fail_open.",
            ) from None
        return True

    @property
    def healthy(self) -> bool:
        """Whether the gate is up to date: it has read all of `control`, and Kafka answers."""
        return self._follower.healthy

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since Kafka last answered; ``None`` before the first answer."""
        return self._follower.last_contact_age_s

    @property
    def refused_commands(self) -> int:
        """How many records of `control` were ignored, as no trusted key had signed them; see docs/security.md."""
        return self._follower.refused

    @property
    def not_sent(self) -> Mapping[str, int]:
        """How many requests were not sent so far, by scope id."""
        return self._savings.by_scope()

    def check(self, target: str, job_id: str, fingerprint: str | None = None) -> Command | None:
        """Decide whether a request may be sent; call it once for each request, right before it is sent.

        Returns
        -------
        Command or None
            The command that refuses the request, which is then counted in `not_sent`; or ``None``: send it.

        Raises
        ------
        BrokerUnavailable
            The gate is not up to date, and was made with ``fail_open=False``.
        """
        if not self._fail_open and not self._follower.healthy:
            raise BrokerUnavailable(
                "The gate is not up to date, and fail_open is False.", "Start the broker, or set fail_open."
            )
        commands = self._by_target.get(target)
        if commands is None:
            return None
        command, probing = commands.in_force(job_id, fingerprint, self._clock_ms())
        if probing:
            command = self._probes.refusing(probing, take=True)
        if command is not None:
            self._savings.add(command, 1)
        return command

    def is_open(self, target: str, job_id: str, fingerprint: str | None = None) -> bool:
        """Whether a request may be sent; it is not counted, and no probe is used up."""
        if not self._fail_open and not self._follower.healthy:
            return False
        return self._refusing(target, job_id, fingerprint) is None

    def may_refuse(self, job_id: str) -> bool:
        """Whether some request of the job would be refused, whatever its target."""
        return not self._fail_open or any(command.scope.job_id in (None, job_id) for command in self.commands())

    def raise_if_halted(self, target: str, job_id: str, fingerprint: str | None = None) -> None:
        """Like `check`, but raise if the request is refused.

        Raises
        ------
        JobQuarantined
            With the command that refuses the request.
        BrokerUnavailable
            The gate is not up to date, and was made with ``fail_open=False``.
        """
        command = self.check(target, job_id, fingerprint)
        if command is not None:
            raise JobQuarantined(
                f"{command.scope.id} is {command.state}: {command.reason}",
                f"Mend the request, then release it: halt400 release {command.scope.id}",
                command,
            )

    def report(self, target: str, job_id: str, status: int, fingerprint: str | None = None) -> None:
        """Report the status of a request that was sent; only those of probes are sent on."""
        if self._unreported:
            self._probes.report(target, job_id, status, fingerprint)

    def count_not_sent(self, command: Command, requests: int = 1, *, request_bytes: int = 0) -> None:
        """Count requests that a job does not send because of `command`, such as the rest of its queue.

        Parameters
        ----------
        request_bytes
            Bytes of these requests, as far as they are known; with `requests` 0, of one that `check` has counted.

        Every gate reports its counts, so that an alert can say how many requests a quarantine has saved.
        """
        self._savings.add(command, requests, request_bytes)

    def inherit(self, parents: "Gate") -> None:
        """Know what the gate of the parent process knew at the fork, and call whom it called."""
        self._commands, self._by_target = parents._commands, parents._by_target
        self._listeners.inherit(parents._listeners)

    def commands(self) -> list[Command]:
        """Return every command in force, in no particular order."""
        return self._commands.in_force(self._clock_ms())

    def on_change(self, callback: Callable[[Command], None]) -> None:
        """Call `callback` with each command that changes a scope, in the event loop; it must not block.

        There is no call when a command expires: `expires_at` is part of it.
        """
        self._listeners.add(callback)

    async def changes(self) -> AsyncIterator[Command]:
        """Iterate over the commands that change a scope from now on, in order."""
        with self._listeners.queue() as queue:
            while True:
                yield await queue.get()

    async def wait_halted(self, target: str, job_id: str) -> Command:
        """Wait until requests of the job on the target are refused, and return the command; nothing is counted."""
        with self._listeners.queue() as queue:
            while (command := self._refusing(target, job_id, None)) is None:
                await queue.get()
            return command

    def _refusing(self, target: str, job_id: str, fingerprint: str | None) -> Command | None:
        """The answer of `check`, without counting or using up a probe."""
        commands = self._by_target.get(target)
        if commands is None:
            return None
        command, probing = commands.in_force(job_id, fingerprint, self._clock_ms())
        return self._probes.refusing(probing, take=False) if probing else command

    def _learn(self, changes: Changes) -> None:
        for command in self._commands.learn(changes):
            if command.state == "released":
                self._savings.report_now()
            self._listeners.pass_on(command)
