"""Bytes that anybody may have written to a topic, or into a file: readers of records pass over them, and go on."""

import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from halt400 import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.signing import SIGNATURE
from tests.attacks.readers import EXAMPLES, READERS, SIGNING, RecordOnControl, kept
from tests.chaos.healthy import healthy
from tests.sdk import topics
from tests.waiting import until

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


OF_RECORDINGS = [name for name in READERS if name.startswith("recording")]


@pytest.mark.parametrize("name", [name for name in READERS if name not in OF_RECORDINGS])
@given(data=BYTES)
def test_a_reader_raises_what_its_callers_expect(name: str, data: bytes) -> None:
    READERS[name](data)


@given(st.sampled_from(OF_RECORDINGS), BYTES)
def test_no_recording_crashes_its_reader(name: str, data: bytes) -> None:
    READERS[name](data)


def test_what_fuzzing_has_kept_crashes_no_reader() -> None:
    """What has reached further than the examples; ``make fuzz-readers`` goes on from it."""
    assert kept("array_of_events")
    for name, read in READERS.items():
        for data in kept(name):
            read(data)


@given(st.lists(st.tuples(st.just(SIGNATURE), BYTES), max_size=2), BYTES)
def test_no_signature_is_believed_that_was_not_made_with_the_key(headers: list[tuple[str, bytes]], data: bytes) -> None:
    assert SIGNING.why_not("control", RecordOnControl(data, tuple(headers)), "commands") is not None


@pytest.mark.broker
async def test_records_on_control_that_are_no_commands_do_not_end_a_gate(kafka: str, prefix: str) -> None:
    await topics.create(kafka, f"{prefix}control", partitions=1)
    good = next(record for record in healthy().records("control") if record.value is not None)
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=1 << 20) as producer:
        for value in (*ODD, good.value):
            await producer.send_and_wait(f"{prefix}control", value, key=good.key)
    async with Gate(KafkaConnection(kafka, prefix)) as gate:
        assert await gate.wait_caught_up(30)
        await until(lambda: gate.healthy)
