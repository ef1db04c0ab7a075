"""The witness: turns what is observed into the story's steps."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from rich.markup import escape

from halt400.errors import ArchiveError, JobQuarantined
from halt400.gate import Gate
from halt400.proxies import Released
from halt400.records import Command, Offence
from streams.archive.open_by_uri import read_uri
from streams.demo.scraper import Run
from streams.demo.story import Story
from streams.settings import Settings

__all__ = ["Witness"]


class _Entry(msgspec.Struct):
    halt400: Offence = msgspec.field(name="_halt400")


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


class Witness:
    """Turn what is observed into steps of the story; nothing is told that was not observed."""

    def __init__(self, story: Story, control: str, target: str, job_id: str, settings: Settings) -> None:
        self._story = story
        self._control = control
        self._target = target
        self._job_id = job_id
        self._settings = settings
        self.obstacle = ""
        self._commanded: asyncio.Future[Command] = asyncio.get_running_loop().create_future()

    def response_refused(self, response: httpx.Response, product: int, proxy_id: str) -> None:
        """Tell of the first 400."""
        self._story.saw(
            "response seen",
            f"{response.status_code} {response.reason_phrase} for product {product}, through proxy {proxy_id}",
        )

    def retry_aborted(self, refused: JobQuarantined) -> None:
        """Tell that the scraper's own retry policy was overruled."""
        self._story.saw("retry aborted", "the scraper's retry policy asked for a second attempt; the transport refused")

    def command_seen(self, command: Command) -> None:
        """Tell of the command, as the gate read it from the control topic."""
        if (command.scope.target, command.scope.job_id) != (self._target, self._job_id):
            return
        if command.state == "quarantined" and not self._commanded.done():
            until = datetime.fromtimestamp(command.expires_at / 1000, UTC).strftime("%H:%M:%S UTC")
            self._story.saw("state quarantined", f"{command.scope.id} until {until}, told on {self._control}")
            self._story.outcome.command = command
            self._commanded.set_result(command)

    def proxy_released(self, released: Released) -> None:
        """Tell that the command took the proxy back."""
        if self._commanded.done():
            blame = "with blame" if released.blame else "without blame"
            self._story.saw(
                "proxy released", f"{released.lease.proxy_id} {blame}, its reputation is {released.score:.2f}"
            )

    def run_ended(self, run: Run) -> None:
        """Tell that the scraper stopped because its gate said so."""
        self._story.outcome.sent = run.sent
        if run.halted_by is None:
            return
        self._story.outcome.not_sent = run.not_sent
        self._story.saw(
            "job suspended",
            f"by its own gate: {run.sent:,} request{'s' * (run.sent != 1)} sent, "
            f"{run.not_sent:,} of {run.planned:,} not sent",
        )

    async def payload_saved(self) -> None:
        """Read the evidence back from where the command says that it is, until it is there."""
        uri = (await self._commanded).archive_uri
        if uri is None:
            return
        while True:
            try:
                data = await asyncio.to_thread(read_uri, self._settings.archive, uri)
                break
            except ArchiveError as error:
                self.obstacle = str(error)
                await asyncio.sleep(0.02)
        offence = msgspec.json.decode(data, type=_Har).log.entries[0].halt400
        if offence.event.job_id == self._job_id and offence.event.response.status == 400:
            self._story.outcome.archive_uri = uri
            self._story.saw("payload saved", f"{len(data):,} bytes, read back: {offence.event.request.body}\n{uri}")

    def conclude(self) -> None:
        """Show what was wrong, as the command says."""
        command = self._story.outcome.command
        if command is None or command.diagnosis is None:
            return
        diagnosis = command.diagnosis
        self._story.say(f"\n  [bold]Cause[/]   {diagnosis.cause} ({diagnosis.confidence:.0%} sure)")
        for evidence in diagnosis.evidence[:1]:
            self._story.say(f"          {escape(evidence.detail)}")
            if evidence.excerpt is not None:
                self._story.say(f"          [cyan]{escape(evidence.excerpt)}[/]")
                if evidence.caret is not None:
                    self._story.say("          " + " " * evidence.caret + "[bold red]^[/]")
        self._story.say(f"  [bold]Remedy[/]  {escape(diagnosis.remedy)}")

    async def go_on(self, gate: Gate) -> None:
        """Tell what becomes of the job, until cancelled."""
        self._story.say("\nWatching what becomes of the job; Ctrl-C ends.")
        changes: Callable[[], Any] = gate.changes
        async for command in changes():
            if (command.scope.target, command.scope.job_id) == (self._target, self._job_id):
                self._story.say(f"  {command.scope.id} is {command.state}: {escape(command.reason)}")
