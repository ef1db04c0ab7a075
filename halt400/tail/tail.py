"""Follows logs and publishes their lines as response events, each once."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import EventBuilder, Format, RecordedExchange, Unread
from halt400.exchanges.input_file import LONGEST_LINE_BYTES
from halt400.kafka.connection import KafkaConnection
from halt400.records import ResponseEvent
from halt400.tail.file_formats import FileFormats
from halt400.tail.followed_document import FollowedDocument
from halt400.tail.followed_file import FollowedFile, Line, Truncated
from halt400.tail.sending import ExactSender, Outgoing
from halt400.tail.state_file import Note, Span, StateFile
from halt400.tail.watcher import Watcher

__all__ = ["Tail", "TailStats"]

POLL_S = 0.25
MOST_LINES = 1000
MOST_BYTES = 1024 * 1024
MOST_TOLD = 20
FORGOTTEN_AFTER_MS = 30 * 86_400_000

_encode = msgspec.json.Encoder().encode


class TailStats(msgspec.Struct):
    """Counts of one run.

    Attributes
    ----------
    lines
        Lines read; those that are published, those that cannot be read, and those without a response.
    published
        Events that Kafka has.
    bad_requests
        Those of them that are 400s.
    unread
        Lines that cannot be read.
    behind_bytes
        Bytes of the files that were not read yet.
    """

    lines: int = 0
    published: int = 0
    bad_requests: int = 0
    unread: int = 0
    behind_bytes: int = 0


class _Batch:
    """What was read at once: events to send, and how far that brings each file."""

    def __init__(self) -> None:
        self.events: list[Outgoing] = []
        self.read: list[tuple[FollowedFile, Span]] = []
        self.lines = self.bad_requests = self.size_bytes = 0
        self.is_incomplete = False

    def add(self, event: ResponseEvent) -> None:
        """Add an event."""
        value = _encode(event)
        self.events.append(Outgoing(event.id, event.target.encode(), value))
        self.size_bytes += len(value)
        self.bad_requests += event.response.status == 400


class Tail:
    """Follows files until it is told to stop.

    Parameters
    ----------
    patterns
        Paths, or patterns of them.
    state_file
        What it remembers.
    kafka
        The connection.
    file_format
        How lines are read; recognized file by file where absent.
    target, job_id
        Target and job of every event, whatever the lines say.
    from_start
        Read files that were never followed before from their beginning.
    once
        End when every file was read to the end that it had.
    tell
        Called with each line for a person: what cannot be read, Kafka away.

    Attributes
    ----------
    stats : TailStats
        Counts so far.
    """

    def __init__(
        self,
        patterns: Iterable[str],
        state_file: StateFile,
        kafka: KafkaConnection,
        *,
        file_format: Format | None = None,
        target: str | None = None,
        job_id: str | None = None,
        from_start: bool = False,
        once: bool = False,
        tell: Callable[[str], None],
    ) -> None:
        self._state_file, self._once, self._tell = state_file, once, tell
        self._target, self._job_id = target and target.lower(), job_id
        self._formats = FileFormats(file_format)
        absolute = [str(Path(pattern).absolute()) for pattern in patterns]
        self._watcher = Watcher(
            absolute,
            state_file.state,
            from_start=from_start,
            once=once,
            document=self._formats.document,
            tell=tell,
        )
        self._sender = ExactSender(kafka, kafka.topic("responses"), tell)
        self._told: Counter[str] = Counter()
        self._next_file = 0
        self._stopping = asyncio.Event()
        self._is_saved = False
        self.stats = TailStats()

    def stop(self) -> None:
        """End the run as soon as what is being sent is acknowledged."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Wait until `stop` is called."""
        await self._stopping.wait()

    async def run(self) -> None:
        """Follow the files.

        Raises
        ------
        InputError
            A file cannot be read, or is of no known format.
        SettingError
            The state cannot be written.
        TopicMismatch
            The topic does not exist.
        """
        try:
            self._watcher.look(time.monotonic())
            for file in self._watcher.files:
                self._formats.check(file)
            async with self._sender:
                await self._sender.connect()
                await self._send_noted()
                while not self._stopping.is_set() and await self._step():
                    pass
        finally:
            self._watcher.close()
            self._tell_rest()

    async def _step(self) -> bool:
        """Publish the next lines, or wait for some; return whether there may be more."""
        self._watcher.look(time.monotonic())
        batch = self._next_batch()
        if batch.read or batch.is_incomplete:
            await self._publish(batch)
            return True
        self._watcher.close_finished(time.monotonic())
        self.stats.behind_bytes = sum(file.behind for file in self._watcher.files)
        if not self._is_saved:
            self._save(None)
        if self._once:
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), POLL_S)
        return True

    def _next_batch(self) -> _Batch:
        """Read some lines of each file, at most `MOST_LINES` altogether."""
        batch = _Batch()
        files = self._watcher.files[self._next_file :] + self._watcher.files[: self._next_file]
        for file in files:
            is_last = self._once or self._watcher.is_finished(file, time.monotonic())
            if self._watcher.is_document(file):
                batch.is_incomplete = True
                break
            try:
                lines = file.read(MOST_LINES - batch.lines, to_the_end=is_last)
            except Truncated:
                self._watcher.truncated(file)
                batch.is_incomplete = True
                break
            if isinstance(file, FollowedDocument) and file.fault is not None:
                self._tell_fault(file, file.fault)
            self._add(batch, file, lines, whole=not self._once)
            if batch.lines >= MOST_LINES or batch.size_bytes >= MOST_BYTES:
                break
        self._next_file = (self._next_file + 1) % max(1, len(self._watcher.files))
        return batch

    def _add(self, batch: _Batch, file: FollowedFile, lines: list[Line], *, whole: bool = True) -> None:
        """Make events of lines; without `whole`, a last line without its end waits if it cannot be read."""
        begin = end = file.position.offset
        for line in lines:
            made = self._event(file, line)
            if isinstance(made, Unread):
                if not whole and line is lines[-1] and not file.ends_line(line):
                    break
                if not made.harmless:
                    self._tell_unread(file, line, made)
            elif made is not None:
                batch.add(made)
            batch.lines += 1
            end = line.end
        if end > begin:
            self._watcher.grew(file)
            batch.read.append((file, Span(file.position.identity, begin, end)))

    def _event(self, file: FollowedFile, line: Line) -> ResponseEvent | Unread | None:
        """The event of a line, None of a blank one."""
        path = file.position.path
        try:
            found = file.record(line) if isinstance(file, FollowedDocument) else self._parsed(file, line)
            if found is None or isinstance(found, Unread):
                return found
            if found.no_response or found.fault:
                return Unread(path, found.where, found.no_response or found.fault, harmless=bool(found.no_response))
            if found.time_ms is None:
                found.time_ms = time.time_ns() // 1_000_000
            if file.builder is None:
                file.builder = EventBuilder(file.label, 0, self._target, self._job_id)
            return file.builder.event(found, _event_id(file, line, found.content))
        except InvalidRecord as error:
            return Unread(path, "", error.message, mend=error.mend)

    def _parsed(self, file: FollowedFile, line: Line) -> RecordedExchange | Unread | None:
        """What a line says; raises `InvalidRecord`."""
        path = file.position.path
        if line.content is None:
            return Unread(path, "", f"longer than {LONGEST_LINE_BYTES} bytes")
        if not line.content.strip():
            return None
        found = self._formats.of(file, line.content)
        if found is None or found.parse_line is None:
            return Unread(path, "", f"of no known format: {line.content[:80].decode(errors='replace')!r}")
        return found.parse_line(line.content, 0)

    async def _publish(self, batch: _Batch, note: Note | None = None) -> None:
        """Note what is about to be sent, send it, and take note that it was."""
        stats = self.stats
        if batch.events:
            if note is None:
                ends = await self._sender.ends(batch.events)
                self._save(Note(ends, [event.id for event in batch.events], [span for _, span in batch.read]))
            else:
                ends = note.ends
            refused = await self._sender.send(batch.events, ends, maybe_sent=note is not None)
            for event in refused:
                self._tell(f"The broker refuses the event {event.id} of {len(event.value)} bytes for its size.")
            stats.published += len(batch.events) - len(refused)
            stats.bad_requests += batch.bad_requests
        stats.lines += batch.lines
        for file, span in batch.read:
            file.advance(span.end)
        self._is_saved = False

    async def _send_noted(self) -> None:
        """Send what was about to be sent when the last run ended, as far as it was not."""
        note = self._state_file.state.batch
        if note is None:
            return
        batch = _Batch()
        for span in note.spans:
            file = self._watcher.of(span.identity)
            if file is None or file.position.offset != span.begin:
                self._tell(f"{span.end - span.begin} bytes of a log that may not have been published are gone.")
                continue
            until, file.until = file.until, span.end
            with suppress(Truncated):
                self._add(batch, file, file.read(MOST_LINES, to_the_end=True))
            file.until = until
        await self._publish(batch, note)
        self._save(None)

    def _save(self, note: Note | None) -> None:
        state, now_ms = self._state_file.state, time.time_ns() // 1_000_000
        for file in self._watcher.files:
            file.position.seen_ms = now_ms
        oldest_ms = now_ms - FORGOTTEN_AFTER_MS
        state.files = {name: known for name, known in state.files.items() if (known.seen_ms or now_ms) > oldest_ms}
        state.batch = note
        self._state_file.save()
        self._is_saved = True

    def _tell_unread(self, file: FollowedFile, line: Line, unread: Unread) -> None:
        """Tell of a line that cannot be read, the first of each file one by one."""
        self.stats.unread += 1
        self._told[unread.file] += 1
        if self._told[unread.file] <= MOST_TOLD:
            is_line = not isinstance(file, FollowedDocument)
            self._tell(str(unread._replace(where=f"line {file.line_number(line.begin)}") if is_line else unread))

    def _tell_fault(self, file: FollowedDocument, fault: InputError) -> None:
        """Tell of a document that cannot be read; it may become one that can."""
        file.fault = None
        if self._once:
            raise fault
        self._tell(fault.message)

    def _tell_rest(self) -> None:
        for path, count in self._told.items():
            if count > MOST_TOLD:
                self._tell(f"{path}: {count - MOST_TOLD} more lines cannot be read.")


def _event_id(file: FollowedFile, line: Line, content: bytes) -> str:
    """An id that a line gets again when it is read again."""
    identity = blake2b(f"{file.position.identity}\n{line.begin}\n".encode(), digest_size=16)
    identity.update(content)
    return identity.hexdigest()
