"""The observer: turns callbacks of scraper, gate and proxies, and the archive, into steps of the demonstration."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.markup import escape

from halt400.errors import ArchiveError, JobQuarantined
from halt400.gate import Gate
from halt400.plural import plural
from halt400.proxies import Released
from halt400.records import Command
from streams.archive.har import offence_of
from streams.archive.open_by_uri import read_uri
from streams.demo.scraper import ScraperRun
from streams.demo.steps import StepLog
from streams.settings import ArchiveSettings

__all__ = ["Observer"]


class Observer:
    """Records a step for what is observed of one job, and only then.

    Parameters
    ----------
    log
        Where steps are recorded.
    control_topic
        Name of the topic with commands, to show.
    target, job_id
        The job.
    archive
        Where the evidence is read back from.

    Attributes
    ----------
    last_error
        Why the evidence could not be read back so far.
    """

    def __init__(self, log: StepLog, control_topic: str, target: str, job_id: str, archive: ArchiveSettings) -> None:
        self._log = log
        self._control_topic = control_topic
        self._target = target
        self._job_id = job_id
        self._archive = archive
        self.last_error = ""
        self._command: asyncio.Future[Command] = asyncio.get_running_loop().create_future()

    def on_bad_request(self, response: httpx.Response, product: int, proxy_id: str) -> None:
        """Record the first 400."""
        self._log.record(
            "response seen",
            f"{response.status_code} {response.reason_phrase} for product {product}, through proxy {proxy_id}",
        )

    def on_retry_aborted(self, refused: JobQuarantined) -> None:
        """Record that the scraper's own retry policy was overruled."""
        self._log.record(
            "retry aborted", "the scraper's retry policy asked for a second attempt; the transport refused"
        )

    def on_command(self, command: Command) -> None:
        """Record the command, as the gate read it from the control topic."""
        if (command.scope.target, command.scope.job_id) != (self._target, self._job_id):
            return
        if command.state == "quarantined" and not self._command.done():
            until = datetime.fromtimestamp(command.expires_at / 1000, UTC).strftime("%H:%M:%S UTC")
            self._log.record("state quarantined", f"{command.scope.id} until {until}, read from {self._control_topic}")
            self._log.outcome.command = command
            self._command.set_result(command)

    def on_proxy_released(self, released: Released) -> None:
        """Record that the command released the proxy."""
        if self._command.done():
            blame = "with blame" if released.blame else "without blame"
            self._log.record(
                "proxy released", f"{released.lease.proxy_id} {blame}, its reputation is {released.score:.2f}"
            )

    def on_run_ended(self, run: ScraperRun) -> None:
        """Record that the scraper stopped because its gate refused its requests."""
        self._log.outcome.sent = run.sent
        if run.halted_by is None:
            return
        self._log.outcome.not_sent = run.not_sent
        self._log.record(
            "job suspended",
            f"by its own gate: {plural(run.sent, 'request')} sent, {run.not_sent:,} of {run.planned:,} not sent",
        )

    async def wait_for_evidence(self) -> None:
        """Read the evidence from the command's archive URI, again and again until it is there."""
        uri = (await self._command).archive_uri
        if uri is None:
            return
        while True:
            try:
                data = await asyncio.to_thread(read_uri, self._archive, uri)
                break
            except ArchiveError as error:
                self.last_error = str(error)
                await asyncio.sleep(0.02)
        offence = offence_of(data)
        if offence.event.job_id == self._job_id and offence.event.response.status == 400:
            self._log.outcome.archive_uri = uri
            self._log.record("payload saved", f"{len(data):,} bytes, read back: {offence.event.request.body}\n{uri}")

    def print_diagnosis(self) -> None:
        """Show the diagnosis in the command."""
        command = self._log.outcome.command
        if command is None or command.diagnosis is None:
            return
        diagnosis = command.diagnosis
        self._log.print(f"\n  [bold]Cause[/]   {diagnosis.cause} ({diagnosis.confidence:.0%} sure)")
        for evidence in diagnosis.evidence[:1]:
            self._log.print(f"          {escape(evidence.detail)}")
            if evidence.excerpt is not None:
                self._log.print(f"          [cyan]{escape(evidence.excerpt)}[/]")
                if evidence.caret is not None:
                    self._log.print("          " + " " * evidence.caret + "[bold red]^[/]")
        self._log.print(f"  [bold]Remedy[/]  {escape(diagnosis.remedy)}")

    async def follow(self, gate: Gate) -> None:
        """Show each further command of the job, until cancelled."""
        self._log.print("\nWaiting for further commands of the job; Ctrl-C ends.")
        changes: Callable[[], Any] = gate.changes
        async for command in changes():
            if (command.scope.target, command.scope.job_id) == (self._target, self._job_id):
                self._log.print(f"  {command.scope.id} is {command.state}: {escape(command.reason)}")
