"""Bytes that anybody may have written to a topic, or into a file: readers of records pass over them, and go on."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from halt400 import Gate
from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import FORMAT_NAMES, InputFile, read_exchanges
from halt400.gate.commands import KnownCommands, is_newer
from halt400.kafka.connection import KafkaConnection
from halt400.records import UNDECODABLE
from halt400.signing import SIGNATURE, Signing, new_key
from halt400.windows import decode_row
from streams.alerts.alerts_topic import _newer as is_newer_alert
from streams.alerts.incident import decode_incident
from streams.archive.sampling import decode_manifest
from streams.fleet_cap.participant import CapParticipant
from streams.operations.command_log import CommandLog
from streams.processing.decoding import Record, RecordReader, Refusal, decode_counted, decode_event
from streams.processing.target import TrackedTarget
from streams.quarantine.later import is_later_command
from streams.savings import _newer as is_newer_count
from tests.chaos.healthy import SCOPE, TARGET, event, healthy
from tests.sdk import topics
from tests.waiting import until

HISTORY = healthy()
EXAMPLES = [record.value for log in HISTORY.topics.values() for record in log if record.value is not None]
EXAMPLES += [json.dumps(event(1, 400)).encode()]
DEEP = b'{"sequence":1,"issued_at":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
ODD = [b"", b"\0", b"{}", b"[]", b"null", b"\xff\xfe", b'{"sequence":1,"issued_at":1,"x":"\xff"}', DEEP, b"\x9d" * 40]

SPLICES = [b"null", b"1e999", b'"\\ud800"', b"-1", b"[["]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A valid record with some bytes changed, cut or repeated."""
    data = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data[start:end] = draw(st.binary(max_size=12) | st.sampled_from(SPLICES))
    return bytes(data)


BYTES = st.one_of(st.binary(max_size=80), _damaged(), st.sampled_from(ODD))

DECODERS: list[Callable[[bytes], Any]] = [
    decode_counted,
    decode_event,
    decode_incident,
    decode_manifest,
    decode_row,
    lambda data: TrackedTarget.decode(data, TARGET),
]


@pytest.mark.parametrize("decode", DECODERS, ids=range(len(DECODERS)))
@given(data=BYTES)
def test_a_decoder_raises_what_its_callers_expect(decode: Callable[[bytes], Any], data: bytes) -> None:
    try:
        decode(data)
    except (InvalidRecord, *UNDECODABLE):
        pass


class _OnControl:
    offset, partition, timestamp, key = 1, 0, 1, b"job/a/b"

    def __init__(self, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.value, self.headers = value, headers


@given(BYTES, st.sampled_from(EXAMPLES))
def test_no_bytes_on_a_topic_crash_who_follows_it(data: bytes, good: bytes) -> None:
    for replaces in (is_newer, is_later_command, is_newer_alert, is_newer_count):
        for pair in ((data, good), (good, data), (data, data)):
            assert replaces(*pair) in (True, False)
    list(KnownCommands().learn({SCOPE.id.encode(): data}))
    CommandLog().add([_OnControl(data)])
    CapParticipant("responses", 1, lambda key: 0).apply_record(0, 1, data)
    read = RecordReader(0, lambda key: 0).read_operation(Record(0, 1, TARGET.encode(), data))
    assert isinstance(read, Refusal) or read.scope.target == TARGET


SIGNING = Signing.of(*new_key("w", "commands"))


@given(st.lists(st.tuples(st.just(SIGNATURE), BYTES), max_size=2), BYTES)
def test_no_signature_is_believed_that_was_not_made_with_the_key(headers: list[tuple[str, bytes]], data: bytes) -> None:
    assert SIGNING.why_not("control", _OnControl(data, tuple(headers)), "commands") is not None


@given(st.none() | st.sampled_from(FORMAT_NAMES), BYTES)
def test_no_recording_crashes_its_reader(tmp_path_factory: pytest.TempPathFactory, kind: str, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data)
    try:
        with closing(InputFile(str(path))) as file:
            for _ in read_exchanges(file, kind):
                pass
    except InputError:
        pass


@pytest.mark.broker
async def test_records_on_control_that_are_no_commands_do_not_end_a_gate(kafka: str, prefix: str) -> None:
    await topics.create(kafka, f"{prefix}control", partitions=1)
    good = next(record for record in HISTORY.records("control") if record.value is not None)
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=1 << 20) as producer:
        for value in (*ODD, good.value):
            await producer.send_and_wait(f"{prefix}control", value, key=good.key)
    async with Gate(KafkaConnection(kafka, prefix)) as gate:
        assert await gate.wait_caught_up(30)
        await until(lambda: gate.healthy)
