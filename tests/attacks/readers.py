"""Every reader of bytes that anybody may have written to a topic or into a file, by name.

Each takes bytes and returns; what else it raises than its callers expect is a defect. They run on examples that
Hypothesis draws (`tests.attacks.test_decoders`), on the corpus that is kept, and for minutes each by coverage
(``make fuzz-readers``).
"""

import json
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import FORMAT_NAMES, InputFile, read_exchanges
from halt400.gate.commands import KnownCommands, is_newer
from halt400.records import UNDECODABLE
from halt400.signing import SIGNATURE, Signing, new_key
from halt400.windows import decode_row
from streams.alerts.alerts_topic import _newer as is_newer_alert
from streams.alerts.incident import decode_incident
from streams.archive.sampling import decode_manifest
from streams.fleet_cap.participant import CapParticipant
from streams.operations.command_log import CommandLog
from streams.processing.decoding import Record, RecordReader, Refusal, decode_counted, decode_event
from streams.processing.envelopes import event_values, read_runs
from streams.processing.target import TrackedTarget
from streams.quarantine.later import is_later_command
from streams.savings import _newer as is_newer_count
from tests.chaos.healthy import SCOPE, TARGET, event, healthy

__all__ = ["CORPUS", "EXAMPLES", "READERS", "RecordOnControl", "keep", "kept"]

CORPUS = Path(__file__).with_name("corpus")
EXAMPLES = [record.value for log in healthy().topics.values() for record in log if record.value is not None]
EXAMPLES += [json.dumps(event(1, 400)).encode()]
GOOD = EXAMPLES[0]
SIGNING = Signing.of(*new_key("w", "commands"))


class RecordOnControl:
    """A record of `control` with some value and headers."""

    offset, partition, timestamp, key = 1, 0, 1, b"job/a/b"

    def __init__(self, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.value, self.headers = value, headers


def _decodes(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            decode(data)
        except (InvalidRecord, *UNDECODABLE):
            pass

    return read


def _array(data: bytes) -> None:
    reader, refusals = RecordReader(0, lambda key: 0), list[Refusal]()
    runs = list(read_runs([Record(1, 1, None, b"[" + data), Record(2, 1, None, data)], reader, refusals))
    for events, _, envelope in runs:
        if envelope is not None:
            assert all(envelope.event_record(one).value for one in events)
    assert runs or refusals
    event_values(data)


def _newer(data: bytes) -> None:
    for replaces in (is_newer, is_later_command, is_newer_alert, is_newer_count):
        for pair in ((data, GOOD), (GOOD, data), (data, data)):
            assert replaces(*pair) in (True, False)


def _commands(data: bytes) -> None:
    list(KnownCommands().learn({SCOPE.id.encode(): data}))
    CommandLog().add([RecordOnControl(data)])


def _operation(data: bytes) -> None:
    read = RecordReader(0, lambda key: 0).read_operation(Record(0, 1, TARGET.encode(), data))
    assert isinstance(read, Refusal) or read.scope.target == TARGET


def _signature(data: bytes) -> None:
    header, _, value = data.partition(b"\0")
    assert SIGNING.why_not("control", RecordOnControl(value, ((SIGNATURE, header),)), "commands") is not None


def _recording(kind: str | None) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        with tempfile.NamedTemporaryFile() as written:
            written.write(data)
            written.flush()
            try:
                with closing(InputFile(written.name)) as file:
                    for _ in read_exchanges(file, kind):
                        pass
            except InputError:
                pass

    return read


READERS: dict[str, Callable[[bytes], None]] = {
    "counted_event": _decodes(decode_counted),
    "whole_event": _decodes(decode_event),
    "array_of_events": _array,
    "incident": _decodes(decode_incident),
    "manifest": _decodes(decode_manifest),
    "row": _decodes(decode_row),
    "target_state": _decodes(lambda data: TrackedTarget.decode(data, TARGET)),
    "which_is_newer": _newer,
    "commands": _commands,
    "fleet": lambda data: CapParticipant("responses", 1, lambda key: 0).apply_record(0, 1, data),
    "operation": _operation,
    "signature": _signature,
    "recording": _recording(None),
    **{f"recording_{name}": _recording(name) for name in FORMAT_NAMES},
}


def kept(name: str) -> list[bytes]:
    """The corpus of a reader, without the examples: bytes that reached further than what it had before."""
    path = CORPUS / f"{name}.txt"
    return [b64decode(line) for line in path.read_text().split()] if path.exists() else []


def keep(name: str, corpus: Iterable[bytes]) -> None:
    """Write it, in the order of length, one in a line."""
    CORPUS.mkdir(exist_ok=True)
    some = sorted(set(corpus), key=lambda data: (len(data), data))
    (CORPUS / f"{name}.txt").write_text("".join(f"{b64encode(data).decode()}\n" for data in some))
