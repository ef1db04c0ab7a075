"""One call of `halt400 replay`: read the files, report what cannot be read, show progress."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from halt400.errors import InputError
from halt400.exchanges import STDIN, Format, InputFile, Unread, detect_format
from halt400.records import ResponseEvent
from streams.cli.replay_report import ReplayReport, printable
from streams.processing.policy_file import PolicyFile
from streams.replay import (
    DryRun,
    DryRunQuarantine,
    Recording,
    Tally,
    live_policies,
    publish_replay,
    read_events,
)
from streams.settings import load_settings

__all__ = ["ReplaySession"]

_MOST_LISTED = 20
_PROGRESS_EVERY = 256


class ReplaySession:
    """Reads the files, counts, and shows progress and unreadable lines on standard error.

    Parameters
    ----------
    files
        Paths, ``-`` for standard input.
    file_format, target, job_id
        See `streams.replay.read_events`.
    strict
        The first line that cannot be read is an `InputError`.
    """

    def __init__(
        self, files: list[str], file_format: Format | None, target: str | None, job_id: str | None, strict: bool
    ) -> None:
        self._files, self._strict = files, strict
        self._file_format, self._target, self._job_id = file_format, target, job_id
        self._tally = Tally()
        self._unread: Counter[str] = Counter()
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
        """Check every file before the first event is published, but for pipes, which can be read only once.

        Raises
        ------
        InputError
            A file cannot be read, or is of no known format.
        """
        for path in self._files:
            if path == STDIN:
                continue
            with InputFile(path) as file:
                if file.is_file and self._file_format is None:
                    detect_format(file)

    def dry_run(self) -> ReplayReport:
        """Process every event as the worker would have, without Kafka."""
        settings = load_settings()
        policies = PolicyFile(settings).policies
        dry_run = DryRun(settings, live_policies(policies))
        compared = {
            "strict": DryRun(settings, live_policies(policies, "strict")),
            "evidence": DryRun(settings, live_policies(policies, "evidence")),
        }
        quarantines: list[DryRunQuarantine] = []
        interrupted = False
        try:
            with self._progress:
                for recording in self._open():
                    with recording:
                        for run in (dry_run, *compared.values()):
                            run.start_file()
                        for item in self._read(recording):
                            self._on_item(recording, item)
                            if not isinstance(item, Unread):
                                quarantines += dry_run.apply(item)
                                for run in compared.values():
                                    run.apply(item)
        except KeyboardInterrupt:
            interrupted = True
        self._print_unlisted()
        return ReplayReport(
            tally=self._tally,
            dry_run=dry_run,
            quarantines=quarantines,
            estimates={name: run.estimate() for name, run in compared.items()},
            interrupted=interrupted,
        )

    def publish(self, speed: float | None, keep_times: bool) -> ReplayReport:
        """Publish every event through Kafka."""
        kafka = load_settings().kafka
        with self._progress:
            published = asyncio.run(publish_replay(kafka, self._open(), self._read, self._on_item, speed, keep_times))
        self._print_unlisted()
        return ReplayReport(tally=self._tally, published=published, interrupted=published.interrupted)

    def _open(self) -> Iterator[Recording]:
        """Open the files one after another."""
        for path in self._files:
            recording = Recording(path)
            self._tasks[path] = self._progress.add_task(
                printable(recording.label), total=recording.size_bytes, events=0
            )
            try:
                yield recording
            finally:
                self._tally.untimed += recording.untimed
                self._tally.named_by_file += recording.named_by_file
                self._update_progress(recording)

    def _read(self, recording: Recording) -> Iterator[ResponseEvent | Unread]:
        return read_events(recording, self._file_format, self._target, self._job_id)

    def _on_item(self, recording: Recording, item: ResponseEvent | Unread) -> None:
        """Count one item, and print one that cannot be read."""
        self._tally.add(item)
        if self._tally.events % _PROGRESS_EVERY == 0:
            self._update_progress(recording)
        if not isinstance(item, Unread) or item.harmless:
            return
        if self._strict:
            raise InputError(printable(str(item)), "Without --strict the others would be read.")
        self._unread[item.file] += 1
        if self._unread[item.file] <= _MOST_LISTED:
            said = f"{item}. {item.mend}" if item.mend and self._unread[item.file] == 1 else str(item)
            self._console.print(printable(said), style="yellow", markup=False)

    def _print_unlisted(self) -> None:
        """Print how many unreadable lines were not printed one by one."""
        for file, count in self._unread.items():
            if count > _MOST_LISTED:
                self._console.print(f"{printable(file)}: {count - _MOST_LISTED} more", style="yellow", markup=False)

    def _update_progress(self, recording: Recording) -> None:
        done = recording.size_bytes if recording.closed else recording.consumed_bytes
        self._progress.update(self._tasks[recording.path], completed=done or 0, events=self._tally.events)
