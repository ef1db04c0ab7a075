"""What a worker writes to the topic `fleet` from time to time: censuses, ended grants, snapshots, reports of a trip."""

import asyncio

from streams.detection import Finding
from streams.fleet_cap.log import FaultReported
from streams.fleet_cap.participant import CapParticipant
from streams.processing.assignment import Assignment
from streams.processing.outcome import Outcome
from streams.processing.output_sender import OutputSender
from streams.transport import StaleSend

__all__ = ["FleetUpkeep"]


class FleetUpkeep:
    """Sends what the participant says is due for the assigned partitions."""

    def __init__(self, participant: CapParticipant, assignment: Assignment, sender: OutputSender) -> None:
        self._participant, self._assignment, self._sender = participant, assignment, sender

    async def run(self, now_ms: int) -> None:
        """Send the records that are due, and the finding of a trip; call it about once a second."""
        due = self._participant.due_records(self._assignment.states, now_ms)
        for number, record in due.records:
            partition = self._assignment.get(number)
            if partition is not None:
                await self._sender.send_fleet_records(partition, [record])
        if due.fault is not None:
            await self._report_fault(*due.fault)

    async def _report_fault(self, number: int, finding: Finding, reported: FaultReported) -> None:
        partition = self._assignment.get(number)
        if partition is None:
            return
        await self._sender.send(partition, Outcome(findings=[finding]), self._assignment.inputs.responses)
        # No worker sends the finding again once the log has this record, so the broker must have the finding first.
        try:
            await asyncio.gather(*partition.open_sends)
        except StaleSend:
            if self._assignment.is_current(partition):
                raise
            return
        await self._sender.send_fleet_records(partition, [reported])
