"""The sender of outcomes: commands, offences, findings, dead letters and fleet records, to their topics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from halt400.signing import Signing
from streams import metrics
from streams.detection import Finding
from streams.fleet_cap.log import FleetRecord, encode_fleet_record
from streams.processing.assignment import Assignment, DetectPartition
from streams.processing.decoding import Refusal
from streams.processing.envelopes import EventRecord
from streams.processing.outcome import Outcome
from streams.processing.refusal_findings import RefusalFindings
from streams.processing.refusal_log import RefusalLog
from streams.tracing import Headers, Traces
from streams.transport import StaleSend

__all__ = ["FLEET_KEY", "OutputSender", "OutputTopics"]

MOST_OPEN_SENDS = 20_000
"""Sends of one partition that may wait for the broker's acknowledgement before the next fold is applied."""

FLEET_KEY = b"fleet"
"""Key of a finding that is about no single target."""

log = logging.getLogger("halt400.worker")

_encode = msgspec.json.Encoder().encode


class OutputTopics(NamedTuple):
    """Full names of the topics that are written to."""

    control: str
    offences: str
    dead_letters: str
    findings: str
    fleet: str


class OutputSender:
    """Gives the records of an outcome to the producer, and keeps what the broker has not acknowledged as open sends.

    Parameters
    ----------
    send
        ``await send(topic, key, value, partition, headers)``: gives a record to the producer and returns a future that
        is done when the broker has acknowledged it.
    traces
        None where they are off.
    signing
        Signs commands; None where they are not signed.
    """

    def __init__(
        self,
        outputs: OutputTopics,
        send: Callable[..., Awaitable[Awaitable[Any]]],
        assignment: Assignment,
        traces: Traces | None = None,
        signing: Signing | None = None,
    ) -> None:
        self._sign = (signing or Signing()).headers
        self._outputs, self._send, self._assignment = outputs, send, assignment
        self._traces = traces
        self.refusals = RefusalLog(outputs.dead_letters)
        self._refusal_findings = RefusalFindings()

    @property
    def control(self) -> str:
        """Full name of `control`."""
        return self._outputs.control

    async def send(self, partition: DetectPartition, outcome: Outcome, source_topic: str) -> None:
        """Send an outcome of a partition, unless it moves meanwhile; `source_topic` is that of its refused records."""
        try:
            await self._send_outcome(partition, outcome, source_topic)
        except StaleSend:
            if self._assignment.is_current(partition):
                raise

    async def _send_outcome(self, partition: DetectPartition, outcome: Outcome, source_topic: str) -> None:
        sends, send, number = partition.open_sends, self._send, partition.number
        control, offences = self._outputs.control, self._outputs.offences
        traced: dict[str, Headers] = {}
        if self._traces is not None and outcome.offences:
            traced = self._traces.detected(outcome.offences, outcome.commands)
        for command in outcome.commands:
            key, value = command.scope.id.encode(), _encode(command)
            signed = [*(traced.get(command.command_id) or ()), *self._sign(control, key, value)]
            sends.append(await send(control, key, value, number, signed or None))
        for scope_id in outcome.forgotten:
            key = scope_id.encode()
            sends.append(await send(control, key, None, number, self._sign(control, key, None) or None))
        for offence in outcome.offences:
            headers = traced.get(offence.event.id)
            sends.append(await send(offences, offence.target.encode(), _encode(offence), number, headers))
        for finding in outcome.findings:
            log.warning("%s (%s): %s", finding.kind, finding.severity, finding.summary)
            sends.append(await self._send_finding(finding, number))
        for refusal in outcome.refusals:
            sends.append(await self._send_dead_letter(refusal, source_topic, number))
            found = self._refusal_findings.find(source_topic, number, refusal)
            if found is not None:
                sends.append(await self._send_finding(found, number))
        if outcome.refusals:
            self.refusals.report()
        await self.send_fleet_records(partition, outcome.grant_requests)
        metrics.COMMANDS.inc(len(outcome.commands))
        metrics.BAD_REQUESTS.inc(len(outcome.offences))
        if len(sends) > MOST_OPEN_SENDS:
            await asyncio.gather(*sends)
            sends.clear()

    async def send_fleet_records(self, partition: DetectPartition, records: Iterable[FleetRecord]) -> None:
        """Write to the fleet's log for a partition; once it is revoked, that is its next owner's part."""
        for record in records:
            if not self._assignment.is_current(partition):
                return
            sent = await self._send(self._outputs.fleet, None, encode_fleet_record(record), 0, None)
            partition.open_sends.append(sent)

    async def _send_finding(self, finding: Finding, number: int) -> Awaitable[Any]:
        key, place = (finding.target.encode(), number) if finding.target is not None else (FLEET_KEY, None)
        sent = await self._send(self._outputs.findings, key, _encode(finding), place, None)
        metrics.FINDINGS.labels(finding.kind).inc()
        return sent

    async def _send_dead_letter(self, refusal: Refusal, topic: str, number: int) -> Awaitable[Any]:
        record, code, message = refusal
        headers = [
            *getattr(record, "headers", ()),
            ("halt400.error", code.encode()),
            ("halt400.message", message.encode(errors="replace")),
            ("halt400.topic", topic.encode()),
            ("halt400.partition", str(number).encode()),
            ("halt400.offset", str(record.offset).encode()),
        ]
        if isinstance(record, EventRecord):
            headers.append(("halt400.index", str(record.index).encode()))
        metrics.REFUSALS.labels(code).inc()
        self.refusals.count(topic, number, refusal)
        return await self._send(self._outputs.dead_letters, record.key, record.value, None, headers)
