"""The engine: it applies folds, grant decisions and time to the assigned partitions, and sends what follows.

Counts are exact without transactions because of what is sent and committed in which order: see
docs/adr/0001-exact-counting-without-transactions.md, and `streams.processing.checkpoint` for its steps.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from faust.types import TP

from halt400.kafka.follower import Follower
from halt400.records import Command
from streams import metrics
from streams.fleet_cap.log import GrantDecision
from streams.fleet_cap.participant import CapParticipant
from streams.processing.assignment import Assignment
from streams.processing.checkpoint import Checkpoint
from streams.processing.decoding import Refusal
from streams.processing.fleet_upkeep import FleetUpkeep
from streams.processing.outcome import Outcome
from streams.processing.output_sender import OutputSender
from streams.transport import Membership, Records

__all__ = ["Engine"]


class Engine:
    """Applies one thing at a time to the assigned partitions.

    Parameters
    ----------
    participant
        This worker's part in the fleet cap; it is given what the follower of `fleet` reads.
    followers
        Those of `control` and `fleet`: with them the state of every scope and every grant decision are known.
    clock
        Seconds since the epoch.
    membership
        While it is not sure nothing is applied, sent or written: the partitions may be another worker's.
    """

    def __init__(
        self,
        assignment: Assignment,
        sender: OutputSender,
        participant: CapParticipant,
        followers: Sequence[Follower],
        clock: Callable[[], float] = time.time,
        membership: Membership | None = None,
    ) -> None:
        self._assignment, self._sender, self._participant = assignment, sender, participant
        self._followers, self._clock = followers, clock
        self._membership = membership if membership is not None else Membership()
        self._upkeep = FleetUpkeep(participant, assignment, sender)
        self._applying = asyncio.Lock()
        self._checkpoint = Checkpoint(assignment, self._applying)

    async def process(self, number: int, records: Records) -> None:
        """Apply one fold of `responses` and send its outcome; returns when the producer has it, not the broker."""
        topic = self._assignment.inputs.responses
        if self._assignment.get(number) is None or not await self._surely_assigned():
            return
        async with self._applying:
            partition = self._assignment.accept(topic, number, records)
            if partition is None:
                return
            state = partition.state
            before = state.events
            outcome = state.apply(records, self._now_ms())
            metrics.EVENTS.inc(state.events - before)
            if outcome:
                await self._sender.send(partition, outcome, topic)

    async def operate(self, number: int, records: Records) -> None:
        """Apply one fold of `operations`, as `process` does one of `responses`."""
        topic = self._assignment.inputs.operations
        if self._assignment.get(number) is None or not await self._surely_assigned():
            return
        async with self._applying:
            partition = self._assignment.accept(topic, number, records)
            if partition is None:
                return
            outcome = partition.state.operate(topic, records, self._now_ms())
            if outcome:
                await self._sender.send(partition, outcome, topic)

    async def tick(self) -> None:
        """Apply the passing of time to every assigned partition; call it about once a second."""
        if not self._membership.is_sure:
            return
        async with self._applying:
            for partition in self._assignment.partitions:
                if not self._assignment.is_current(partition):  # revoked while an earlier outcome was sent
                    continue
                outcome = partition.state.tick(self._now_ms())
                if outcome:
                    await self._sender.send(partition, outcome, self._assignment.inputs.responses)
            await self._upkeep.run(self._now_ms())
        self._sender.refusals.report()

    async def apply_grant_decisions(self, decisions: Iterable[GrantDecision]) -> None:
        """Apply the fleet's decisions on the grants that the assigned partitions requested."""
        if not await self._surely_assigned():
            return
        async with self._applying:
            for decision in decisions:
                partition = self._assignment.get(decision.partition)
                if partition is None:
                    continue
                current = self._participant.as_of_now(decision)
                outcome = partition.state.apply_grant_decision(current, self._now_ms())
                if outcome:
                    await self._sender.send(partition, outcome, self._assignment.inputs.responses)

    async def replace_refused(self, record: Any, reason: str, latest: Command | None) -> None:
        """Report a record of `control` that nobody trusted has signed, and write the scope's last command again.

        Without it the topic's compaction would keep the forged record, and remove the command.
        """
        partition = self._assignment.get(record.partition)
        if partition is None or not await self._surely_assigned() or not self._assignment.is_current(partition):
            return
        outcome = Outcome(refusals=[Refusal(record, "not_signed", f"no worker has signed it: {reason}")])
        if latest is not None:
            outcome.commands.append(latest)
        elif (scope_id := record.key.decode(errors="replace")).encode() == record.key:
            outcome.forgotten.append(scope_id)
        async with self._applying:
            await self._sender.send(partition, outcome, self._sender.control)

    async def checkpoint(self) -> None:
        """Make durable all that was applied before the call, and raise the watermarks to it; see `Checkpoint.run`.

        Nothing is done while the partitions may be another worker's: a row of this one would replace its row.
        """
        if self._membership.is_sure:
            await self._checkpoint.run()

    async def recovered(self, assigned: Callable[[], Iterable[TP]]) -> None:
        """Create the assigned partitions, once every command that was issued and every grant decision are known.

        So no command is issued twice, and no grant is taken for a refusal.

        Parameters
        ----------
        assigned
            ``assigned()``: the partitions that this process has after the wait.
        """
        revocations = self._assignment.revocations
        for follower in self._followers:
            await follower.wait_caught_up()
        decisions = self._participant.reached_end()
        if revocations == self._assignment.revocations:
            self._assignment.create_all(assigned())
            await self.apply_grant_decisions(decisions)

    async def _surely_assigned(self) -> bool:
        """Wait until the group has confirmed this process; False where partitions were revoked meanwhile."""
        revocations = self._assignment.revocations
        return await self._membership.wait(lambda: revocations != self._assignment.revocations)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
