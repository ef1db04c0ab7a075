"""`halt400 replay`: recorded exchanges through Kafka, or through the judgement alone."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from halt400.errors import InputError
from halt400.records import ResponseEvent
from streams.cli.replay_report import Reported, print_json, print_tables, printable
from streams.replay import STDIN, DryRun, Format, Quarantine, Recording, Tally, Unread, publish_replay, read_events
from streams.replay import detect_format as _detect_format
from streams.settings import Settings, load_settings

__all__ = ["register"]

_MOST_TOLD = 20
_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add `replay`."""
    app.command("replay")(replay)


def replay(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Recordings, gzip or not; - is standard input.")
    ],
    input_format: Annotated[
        Format | None, typer.Option("--input", help="Format of the files; told by their content where absent.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target of every event, whatever the files say.")] = None,
    job: Annotated[str | None, typer.Option(help="Job of every event, whatever the files say.")] = None,
    times: Annotated[
        Literal["shift", "keep"] | None,
        typer.Option(help="shift: to the present (default); keep: as recorded, ids too (always so in a dry run)."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="N times as fast as it was; max: as fast as Kafka takes it.")
    ] = "max",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first line that cannot be read.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="No Kafka: say what would have been quarantined, when and why.")
    ] = False,
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="How the result is printed.")] = "table",
) -> None:
    """Replay recorded exchanges: JSON lines, HAR files, access logs."""
    factor = _speed(speed)
    if dry_run and times == "shift":
        raise typer.BadParameter("a dry run judges at the recorded times", param_hint="--times")
    _check(files, input_format)
    settings = load_settings()
    session = _Session(input_format, target, job, strict)
    with session.progress:
        report = (
            _judge(session, files, settings) if dry_run else _publish(session, files, settings, factor, times == "keep")
        )
    session.tell_untold()
    (print_json if output == "json" else print_tables)(report)
    if report.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not report.tally.events:
        raise InputError("No event could be read.", "See the lines above for the reasons.")


class _Session:
    """One call of the command: how files are read, what is counted, and how it is shown on standard error."""

    def __init__(self, input_format: Format | None, target: str | None, job: str | None, strict: bool) -> None:
        self._input_format, self._target, self._job, self._strict = input_format, target, job, strict
        self.tally = Tally()
        self._told: dict[str, int] = {}
        self.console = Console(stderr=True, soft_wrap=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[events]} events"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}

    def open(self, files: list[str]) -> Iterator[Recording]:
        """Open the files one after another, when their turn comes."""
        for path in files:
            recording = Recording(path)
            self._tasks[path] = self.progress.add_task(printable(recording.label), total=recording.size_bytes, events=0)
            try:
                yield recording
            finally:
                self.tally.untimed += recording.untimed
                self._show(recording)

    def read(self, recording: Recording) -> Iterator[ResponseEvent | Unread]:
        """Read one file as the options say."""
        return read_events(recording, self._input_format, self._target, self._job)

    def saw(self, recording: Recording, item: ResponseEvent | Unread) -> None:
        """Count one item, and tell of one that cannot be read."""
        self.tally.add(item)
        if self.tally.events % 256 == 0:
            self._show(recording)
        if not isinstance(item, Unread) or item.harmless:
            return
        if self._strict:
            raise InputError(printable(str(item)), "Without --strict the others would be read.")
        self._told[item.file] = self._told.get(item.file, 0) + 1
        if self._told[item.file] <= _MOST_TOLD:
            self.console.print(printable(str(item)), style="yellow", markup=False)

    def tell_untold(self) -> None:
        """Say how many lines were not named one by one."""
        for file, count in self._told.items():
            if count > _MOST_TOLD:
                self.console.print(f"{printable(file)}: {count - _MOST_TOLD} more", style="yellow", markup=False)

    def _show(self, recording: Recording) -> None:
        done = recording.size_bytes if recording.closed else recording.consumed_bytes
        self.progress.update(self._tasks[recording.path], completed=done or 0, events=self.tally.events)


def _judge(session: _Session, files: list[str], settings: Settings) -> Reported:
    detection = settings.detection
    dry_run = DryRun(
        skew_ms=int(detection.skew_s * 1000),
        old_news_ms=int(detection.old_news_s * 1000),
        hold_ms=int(detection.hold_s * 1000),
    )
    quarantines: list[Quarantine] = []
    interrupted = False
    try:
        for recording in session.open(files):
            with recording:
                dry_run.begin_file()
                for item in session.read(recording):
                    session.saw(recording, item)
                    if not isinstance(item, Unread):
                        quarantines += dry_run.judge(item)
    except KeyboardInterrupt:
        interrupted = True
    return Reported(tally=session.tally, dry_run=dry_run, quarantines=quarantines, interrupted=interrupted)


def _publish(session: _Session, files: list[str], settings: Settings, speed: float | None, keep: bool) -> Reported:
    published = asyncio.run(publish_replay(settings.kafka, session.open(files), session.read, session.saw, speed, keep))
    return Reported(tally=session.tally, published=published, interrupted=published.interrupted)


def _check(files: list[str], input_format: Format | None) -> None:
    """Make sure of every file before the first event goes out; a pipe can be read only once, so not of those."""
    for path in files:
        if path == STDIN:
            continue
        with Recording(path) as recording:
            if recording.is_file and input_format is None:
                _detect_format(recording)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise typer.BadParameter(f"{text!r} is neither max nor a number above 0", param_hint="--speed")
    return factor
