"""One call of `halt400 replay`: reads the files, tells what cannot be read, shows how far it is."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from halt400.errors import InputError
from halt400.exchanges import STDIN, InputFile, Unread, detect_format
from halt400.records import ResponseEvent
from streams.cli.replay_report import Reported, printable
from streams.processing.policy_file import PolicyFile
from streams.replay import (
    DryRun,
    DryRunQuarantine,
    Recording,
    Tally,
    publish_replay,
    read_events,
    under_policy,
)
from streams.settings import load_settings

__all__ = ["Session"]

_MOST_TOLD = 20
_SHOWN_EVERY = 256


class Session:
    """How the files are read, what is counted, and how it is shown on standard error.

    Parameters
    ----------
    files
        Paths, ``-`` for standard input.
    input_format, target, job_id
        See `streams.replay.read_events`.
    strict
        Whether the first line that cannot be read ends it, with an `InputError`.
    """

    def __init__(
        self, files: list[str], input_format: str | None, target: str | None, job_id: str | None, strict: bool
    ) -> None:
        self._files, self._strict = files, strict
        self._input_format, self._target, self._job_id = input_format, target, job_id
        self._tally = Tally()
        self._told: Counter[str] = Counter()
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[events]} events"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}

    def check(self) -> None:
        """Make sure of every file before the first event goes out; a pipe can be read only once, so not of those.

        Raises
        ------
        InputError
            A file cannot be read, or its format is not known.
        """
        for path in self._files:
            if path == STDIN:
                continue
            with InputFile(path) as file:
                if file.is_file and self._input_format is None:
                    detect_format(file)

    def judge(self) -> Reported:
        """Judge every event as the worker would have; no Kafka."""
        settings = load_settings()
        policies = PolicyFile(settings).policies
        dry_run = DryRun(settings, under_policy(policies))
        compared = {
            "strict": DryRun(settings, under_policy(policies, "strict")),
            "evidence": DryRun(settings, under_policy(policies, "evidence")),
        }
        quarantines: list[DryRunQuarantine] = []
        interrupted = False
        try:
            with self._progress:
                for recording in self._open():
                    with recording:
                        for run in (dry_run, *compared.values()):
                            run.begin_file()
                        for item in self._read(recording):
                            self._saw(recording, item)
                            if not isinstance(item, Unread):
                                quarantines += dry_run.judge(item)
                                for run in compared.values():
                                    run.judge(item)
        except KeyboardInterrupt:
            interrupted = True
        self._tell_untold()
        return Reported(
            tally=self._tally,
            dry_run=dry_run,
            quarantines=quarantines,
            savings={name: run.savings() for name, run in compared.items()},
            interrupted=interrupted,
        )

    def publish(self, speed: float | None, keep_times: bool) -> Reported:
        """Publish every event through Kafka."""
        kafka = load_settings().kafka
        with self._progress:
            published = asyncio.run(publish_replay(kafka, self._open(), self._read, self._saw, speed, keep_times))
        self._tell_untold()
        return Reported(tally=self._tally, published=published, interrupted=published.interrupted)

    def _open(self) -> Iterator[Recording]:
        """Open the files one after another, when their turn comes."""
        for path in self._files:
            recording = Recording(path)
            self._tasks[path] = self._progress.add_task(
                printable(recording.label), total=recording.size_bytes, events=0
            )
            try:
                yield recording
            finally:
                self._tally.untimed += recording.untimed
                self._show(recording)

    def _read(self, recording: Recording) -> Iterator[ResponseEvent | Unread]:
        return read_events(recording, self._input_format, self._target, self._job_id)

    def _saw(self, recording: Recording, item: ResponseEvent | Unread) -> None:
        """Count one item, and tell of one that cannot be read."""
        self._tally.add(item)
        if self._tally.events % _SHOWN_EVERY == 0:
            self._show(recording)
        if not isinstance(item, Unread) or item.harmless:
            return
        if self._strict:
            raise InputError(printable(str(item)), "Without --strict the others would be read.")
        self._told[item.file] += 1
        if self._told[item.file] <= _MOST_TOLD:
            self._console.print(printable(str(item)), style="yellow", markup=False)

    def _tell_untold(self) -> None:
        """Say how many lines were not named one by one."""
        for file, count in self._told.items():
            if count > _MOST_TOLD:
                self._console.print(f"{printable(file)}: {count - _MOST_TOLD} more", style="yellow", markup=False)

    def _show(self, recording: Recording) -> None:
        done = recording.size_bytes if recording.closed else recording.consumed_bytes
        self._progress.update(self._tasks[recording.path], completed=done or 0, events=self._tally.events)
