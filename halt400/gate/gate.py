"""The gate: may this request be sent? Answered from memory, in well under a microsecond while nothing is halted.

It follows the topic `control`, where every scope's full state lives. A gate that hears nothing more goes on with what
it knows until that expires; one that never heard anything lets everything through. Synchronous scrapers use
`halt400.sync.SyncGate`.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from halt400.errors import BrokerUnavailable, JobQuarantined
from halt400.gate.probing import Prober
from halt400.gate.savings_reporter import SavingsReporter
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Follower
from halt400.kafka.latest import Changes
from halt400.operations import OperationPublisher
from halt400.records import Command
from halt400.start_stop import StartStop

__all__ = ["Gate"]

log = logging.getLogger(__name__)


class _Stamp(msgspec.Struct):
    """The fields of a command that tell which of two is newer."""

    sequence: int
    issued_at: int


class _Halts:
    """The commands in force on one target: on the target itself, on its jobs, and on single requests."""

    __slots__ = ("jobs", "requests", "target")

    def __init__(self) -> None:
        self.target: Command | None = None
        self.jobs: dict[str | None, Command] = {}
        self.requests: dict[str | None, Command] = {}

    def set(self, command: Command, value: Command | None) -> None:
        scope = command.scope
        if scope.kind == "target":
            self.target = value
            return
        kind, name = (self.jobs, scope.job_id) if scope.kind == "job" else (self.requests, scope.fingerprint)
        if value is None:
            kind.pop(name, None)
        else:
            kind[name] = value

    def __bool__(self) -> bool:
        return bool(self.target or self.jobs or self.requests)


class Gate(StartStop):
    """Know which jobs are halted.

    Entering connects in the background and never fails because Kafka is away; `wait_caught_up` waits until every
    command issued so far is known.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    fail_open
        Whether requests pass while the gate has no knowledge or an old one (no contact with Kafka for
        `stale_after_s`). Commands already known hold either way. With ``False`` the questions raise
        `BrokerUnavailable` meanwhile.
    may_probe
        Asked for a command in state ``probing``: whether this process holds the lease to send the one request that
        tries the scope. A yes is good for one request per command. Default: the gate claims the lease itself when it
        has a request to send, and lets that one through when it is given; say what it got with `report`.
    stale_after_s
        Seconds without contact after which the knowledge is old.
    clock_ms
        Milliseconds since the epoch, against which `expires_at` is held.

    Attributes
    ----------
    name : str
        What the gate is called where it speaks: in the lease of a probe, and in its reports of what it did not send.

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
            newer=self._is_newer,
            stale_after_s=stale_after_s,
            client_id="halt400-gate",
        )
        self._fail_open = fail_open
        self._may_probe = may_probe
        self._clock_ms = clock_ms
        self._decoder = msgspec.json.Decoder(Command)
        self._stamp_decoder = msgspec.json.Decoder(_Stamp)
        self._halts: dict[str, _Halts] = {}
        self._known: dict[bytes, Command] = {}
        self._probed: dict[str, str] = {}
        self._open_probes: dict[str, Command] = {}
        self._prober: Prober | None = None
        self._operations = OperationPublisher(connection, clock_ms=clock_ms)
        self._savings = SavingsReporter(
            self.name, self._operations.sender, connection.topic("savings"), clock_ms=clock_ms
        )
        self._callbacks: list[Callable[[Command], None]] = []
        self._listeners: list[asyncio.Queue[Command]] = []

    async def start(self) -> None:
        """Begin to follow `control`, in the background."""
        if self._may_probe is None:
            self._prober = Prober(self.name, self._operations, asyncio.get_running_loop())
        self._savings.start()
        await self._follower.start()

    async def stop(self) -> None:
        """Stop following; what is known holds until it expires. What was not sent is told, unless that takes long."""
        await self._follower.stop()
        await self._savings.stop()
        if self._prober is not None:
            await self._prober.stop()
        await self._operations.stop()

    async def wait_caught_up(self, timeout_s: float | None = None) -> bool:
        """Wait until every command issued before this call is known, so that the first request is asked for rightly.

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
        """Whether the gate knows the fleet's state as of the last seconds."""
        return self._follower.healthy

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since Kafka was last heard of, ``None`` if never."""
        return self._follower.last_contact_age_s

    @property
    def not_sent(self) -> Mapping[str, int]:
        """How many requests the gate has held back so far, by scope id."""
        return self._savings.by_scope()

    # The questions

    def check(self, target: str, job_id: str, fingerprint: str | None = None) -> Command | None:
        """Ask for leave to send one request: once for each request, right before it is sent.

        Returns
        -------
        Command or None
            The command that halts it, and the request is counted in `not_sent`; or ``None``: send it.

        Raises
        ------
        BrokerUnavailable
            The gate does not know, and was made with ``fail_open=False``.
        """
        if not self._fail_open and not self._follower.healthy:
            raise BrokerUnavailable(
                "The gate has no fresh knowledge and is set to stay shut then.", "Start the broker, or set fail_open."
            )
        halts = self._halts.get(target)
        if halts is None:
            return None
        command = self._in_force(halts, job_id, fingerprint, take_probe=True)
        if command is not None:
            self.count_not_sent(command)
        return command

    def is_open(self, target: str, job_id: str, fingerprint: str | None = None) -> bool:
        """Whether a request could be sent; neither counts nor uses up a probe."""
        if not self._fail_open and not self._follower.healthy:
            return False
        halts = self._halts.get(target)
        return halts is None or self._in_force(halts, job_id, fingerprint, take_probe=False) is None

    def raise_if_halted(self, target: str, job_id: str, fingerprint: str | None = None) -> None:
        """`check`, and raise where it is halted.

        Raises
        ------
        JobQuarantined
            With the command that halts the request.
        BrokerUnavailable
            The gate does not know, and was made with ``fail_open=False``.
        """
        command = self.check(target, job_id, fingerprint)
        if command is not None:
            raise JobQuarantined(
                f"{command.scope.id} is {command.state}: {command.reason}",
                f"Mend the request, then release it: halt400 release {command.scope.id}",
                command,
            )

    def report(self, target: str, job_id: str, status: int, fingerprint: str | None = None) -> None:
        """Say which status a request got that was let through. Only a probe's goes anywhere; every one may be told."""
        if not self._open_probes or self._prober is None:
            return
        for scope_id in (f"target/{target}", f"job/{target}/{job_id}", f"request/{target}/{fingerprint}"):
            probe = self._open_probes.pop(scope_id, None)
            if probe is not None:
                self._prober.report(probe, status)

    def count_not_sent(self, command: Command, requests: int = 1) -> None:
        """Count requests that a job gave up because of `command`, such as the rest of its queue.

        Every gate reports its counts, so that an alert can say how many requests a quarantine has saved.
        """
        self._savings.add(command, requests)

    def commands(self) -> list[Command]:
        """Return every command in force, in no particular order."""
        now_ms = self._clock_ms()
        return [
            command
            for command in list(self._known.values())
            if command.state != "released" and command.expires_at > now_ms
        ]

    # For those who want to be told

    def on_change(self, callback: Callable[[Command], None]) -> None:
        """Call `callback` with each command that changes a scope, in the event loop; it must not block.

        The expiry of a command is no change: it is in the command from the beginning.
        """
        self._callbacks.append(callback)

    async def changes(self) -> AsyncIterator[Command]:
        """Iterate over the commands that change a scope from now on, in the order in which they come."""
        heard: asyncio.Queue[Command] = asyncio.Queue()
        self._listeners.append(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self._listeners.remove(heard)

    async def wait_halted(self, target: str, job_id: str) -> Command:
        """Wait until the job is halted on the target, and return the command that does it; nothing is counted."""
        heard: asyncio.Queue[Command] = asyncio.Queue()
        self._listeners.append(heard)
        try:
            while True:
                halts = self._halts.get(target)
                command = None if halts is None else self._in_force(halts, job_id, None, take_probe=False)
                if command is not None:
                    return command
                await heard.get()
        finally:
            self._listeners.remove(heard)

    # What is known

    def _in_force(self, halts: _Halts, job_id: str, fingerprint: str | None, *, take_probe: bool) -> Command | None:
        now_ms = self._clock_ms()
        probes: list[Command] = []
        unclaimed: list[Command] = []
        for command in (
            halts.target,
            halts.jobs.get(job_id),
            halts.requests.get(fingerprint) if fingerprint is not None else None,
        ):
            if command is None or command.expires_at <= now_ms:
                continue
            if command.state != "probing":
                return command
            (probes if self._probes(command) else unclaimed).append(command)
        if unclaimed:
            if take_probe and self._prober is not None:
                for command in unclaimed:
                    self._prober.claim(command)
            return unclaimed[0]
        if take_probe:
            for command in probes:
                self._probed[command.scope.id] = command.command_id
                self._open_probes[command.scope.id] = command
        return None

    def _probes(self, command: Command) -> bool:
        if self._probed.get(command.scope.id) == command.command_id:
            return False
        if self._may_probe is not None:
            return self._may_probe(command)
        return self._prober is not None and self._prober.holds(command)

    def _is_newer(self, old: bytes, new: bytes) -> bool:
        """A command written again by a worker that was already replaced is older by sequence and by time."""
        try:
            fresh = self._stamp_decoder.decode(new)
        except msgspec.MsgspecError:
            # A state that can be read is not given up for one that cannot.
            log.warning("A command cannot be read and is left aside: %.200r", new)
            return False
        try:
            stale = self._stamp_decoder.decode(old)
        except msgspec.MsgspecError:
            return True
        return fresh.sequence >= stale.sequence or fresh.issued_at > stale.issued_at

    def _learn(self, changes: Changes) -> None:
        for key, value in changes.items():
            known = self._known.get(key)
            if value is None:
                if known is not None:
                    del self._known[key]
                    self._place(known, None)
                continue
            try:
                command = self._decoder.decode(value)
            except msgspec.MsgspecError as error:
                log.warning("The command of %r cannot be read and is left aside: %s", key, error)
                continue
            if known is not None and (known.command_id, known.sequence, known.state, known.expires_at) == (
                command.command_id,
                command.sequence,
                command.state,
                command.expires_at,
            ):
                continue
            self._known[key] = command
            self._place(command, None if command.state == "released" else command)
            self._tell(command)

    def _place(self, command: Command, value: Command | None) -> None:
        target = command.scope.target
        halts = self._halts.get(target)
        if halts is None:
            halts = self._halts[target] = _Halts()
        halts.set(command, value)
        if not halts:
            del self._halts[target]

    def _tell(self, command: Command) -> None:
        if command.state == "released":
            self._savings.hurry()
        for heard in self._listeners:
            heard.put_nowait(command)
        for callback in self._callbacks:
            try:
                callback(command)
            except Exception:
                # The scraper's own code: its fault must not blind the gate.
                log.exception("A callback of the gate failed for %s.", command.scope.id)
