"""The native extension: with it and without it the same follows from the same records, whatever they hold."""

import gc
import hashlib
import os
import random
import shlex
import sys
import tracemalloc
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import aiokafka.consumer.fetcher
import msgspec
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

import hatch_build
from halt400.windows import CLASS_OF_STATUS, encode_row
from streams.packed import PackedRecords, find_native
from streams.processing.partition import Outcome, PartitionState
from streams.settings import load_settings
from streams.transport import packing
from streams.transport.packing import KeptRecords
from streams.transport.transport import FoldingTransport, install
from streams.worker.faust_app import new_app
from tests.made_once import made_once

from .test_partition import NOW, event, state

SOURCE = Path(hatch_build.__file__).parent / hatch_build.SOURCE
TARGETS = ("api.shop.example", "other.example", "third.example")
STRICT = ("-Wall", "-Wextra", "-Werror", *shlex.split(os.environ.get("HALT400_TEST_CFLAGS", "")))


@pytest.fixture(scope="module", autouse=True)
def native() -> Any:
    """The extension, built of the source with every warning an error; packs the batches of this module."""
    digest = hashlib.sha256(SOURCE.read_bytes() + repr((sys.version, STRICT)).encode()).hexdigest()[:16]

    def compile_to(folder: Path) -> None:
        reason = hatch_build.build(SOURCE, folder / hatch_build.LIBRARY, *STRICT)
        if reason is not None and "no C compiler" in reason:
            pytest.skip(reason)
        assert reason is None, reason

    path = made_once(f"native-{digest}", compile_to) / hatch_build.LIBRARY
    loader = ExtensionFileLoader("_native", str(path))
    spec = spec_from_loader("_native", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    module.set_classes(CLASS_OF_STATUS)
    KeptRecords.native = module
    yield module
    KeptRecords.native = None


Entry = tuple[bytes | None, bytes | None, int]
"""Key, value and timestamp of a record."""


def batch_bytes(base: int, entries: list[Entry], compression: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for place, (key, value, timestamp) in enumerate(entries):
        assert builder.append(place, timestamp, key, value, [("traceparent", b"00"), ("none", None)]) is not None
    built = bytearray(builder.build())
    built[:8] = base.to_bytes(8, "big")
    return bytes(built)


def packed(data: bytes, start: int = 0) -> PackedRecords:
    kept, found = KeptRecords(data), PackedRecords()
    while kept.has_next():
        batch = kept.next_batch()
        assert kept.is_whole(batch)
        part = kept.pack(batch, start)
        assert part is not None
        found += part
    return found


def one_by_one(data: bytes) -> list[Any]:
    parser, found = MemoryRecords(data), []
    while parser.has_next():
        found += list(parser.next_batch())  # type: ignore[arg-type]
    return found


def told(outcome: Outcome) -> dict[str, Any]:
    refusals = [
        (one.record.offset, getattr(one.record, "index", None), one.record.timestamp, one.record.key, one.record.value,
         list(one.record.headers), one.code, one.message)
        for one in outcome.refusals
    ]  # fmt: skip
    return {
        "commands": [(one.scope.id, one.state, one.responses_offset, one.responses_index) for one in outcome.commands],
        "offences": msgspec.json.encode(outcome.offences),
        "findings": outcome.findings,
        "grants": outcome.grant_requests,
        "refusals": sorted(refusals, key=repr),
    }


def all_of(partition: PartitionState) -> dict[str, Any]:
    targets = partition._targets
    return {
        "rows": {key: encode_row(target.row) for key, target in targets.loaded.items()},
        "good": {key: list(target.good.items()) for key, target in targets.loaded.items()},
        "profiles": {key: msgspec.json.encode(target.profile) for key, target in targets.loaded.items()},
        "changed": set(targets.changed),
        "ids": (partition._ids.recent, partition._ids.older),
        "place": (partition.next_offset, partition.events, partition._pace._left),
    }


def assert_same(folds: list[list[list[Entry]]], compression: int = 0) -> tuple[PartitionState, PartitionState]:
    """Apply folds of batches to two partitions, and compare them after each."""
    without, beside = state(), state()
    base = 0
    for number, batches in enumerate(folds):
        data = b""
        for entries in batches:
            data += batch_bytes(base, entries, compression)
            base += len(entries)
        now_ms = NOW + number * 700
        assert told(beside.apply(packed(data), now_ms)) == told(without.apply(one_by_one(data), now_ms))
        assert all_of(beside) == all_of(without)
        if number % 2:
            assert dict(beside.take_changed()) == dict(without.take_changed())
    return without, beside


def entry(value: Any, key: bytes | None = None, timestamp: int = NOW) -> Entry:
    encoded = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return key if key is not None else value["target"].encode(), encoded, timestamp


def plain(number: int, **changes: Any) -> dict[str, Any]:
    return event(200, id=f"p{number}", target=TARGETS[number % 3], job_id=f"job-{number % 7}") | changes


WARM = [entry(plain(number)) for number in range(3)]
"""Targets are in memory behind these."""

HOSTILE = (
    b"", b" ", b"{", b"[", b"[]", b"{}", b"null", b"[1]", b"\xff", b"[[]]", b"[{}", b"[{},]", b"{\"id\":}", b"[null]",
)  # fmt: skip

MORE_FIELDS = (
    '"attempt":2', '"attempt":0', '"attempt":1', '"attempt":null', '"version":1', '"version":2', '"version":1.0',
    '"jöb":"ü€𝄞"', '"x":"\\ud834"', '"x":[1,-2.5,true,false,null,{"a":[]},"\\n\\u00e9"]', '"x":01', '"x":1e400',
    '"x":"\\x"', '"x":"\t"', '"x":' + "[" * 70 + "]" * 70, '"x":tru', '"job_id":"ü"', '"response":1', '"id":"x"',
)  # fmt: skip

STATUSES = (
    "600", "99", "2e2", '"200"', '400,"status":200', "404", "400", '301,"headers":[["A","b"]]',
    '204 , "body_size" : 7 ',
)  # fmt: skip

FORMS = (
    *(('"job_id":', f'{field},"job_id":') for field in MORE_FIELDS),
    *(('"status":200', f'"status":{status}') for status in STATUSES),
    *((f"{NOW}", time) for time in (f"{NOW}.0", "1e12", f"{NOW}000000000", "0", f"0{NOW}", f"-{NOW}", f" {NOW} ")),
    *((f"{NOW}", str(NOW + more)) for more in (40_000, -7_000, -90_000_000)),
    *(('"job_id":"job', f'"job_id":"{begin}') for begin in ("jöb", "j" * 260, "\\u0041", "")),
    *(("}}", f"}}}}{behind}") for behind in (" x", " \n", ",")),
    ('"id":', '"i\\u0064":'), ('"status":200', '"st\\u0061tus":404'), ('"target":"', '"target":"x'),
)  # fmt: skip
"""What is replaced in the JSON of an event, and by what."""


def spoiled(draw: random.Random, number: int) -> bytes:
    """The JSON of an event in which something may be unusual."""
    text = msgspec.json.encode(plain(number if draw.random() < 0.9 else draw.randrange(number + 1)))
    kind = draw.random()
    if kind < 0.3:
        return text
    if kind < 0.35:
        return draw.choice(HOSTILE)
    if kind < 0.75:
        old, new = draw.choice(FORMS)
        return text.replace(old.encode(), new.encode(), 1)
    changed = bytearray(text)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(changed))
        changed[place : place + draw.choice((0, 1, 1, 2))] = bytes(
            draw.choice((*b'"\\{}[]:,0123456789.eE-+ \t\ntfn\x00\x1f\x7f\x80\xc3\xed\xf4', draw.randrange(256)))
            for _ in range(draw.choice((0, 1, 1, 2)))
        )
    return bytes(changed)


def some_entry(draw: random.Random, number: int) -> Entry:
    timestamp = NOW + draw.choice((0, 0, 0, 1, 6_000, -60_000))
    if draw.random() < 0.25:
        values = range(number * 10, number * 10 + draw.randint(1, 9))
        whole = [msgspec.json.encode(plain(one)) if draw.random() < 0.7 else spoiled(draw, one) for one in values]
        frame = draw.choice((b"[%b]", b"[ %b ] ", b"[%b", b" [%b]"))
        return None, frame % draw.choice((b",", b" , ")).join(whole), timestamp
    key = draw.choice((TARGETS[number % 3].encode(),) * 9 + (None, b"other.example", b"", b"unknown.example"))
    return key, spoiled(draw, number) if draw.random() < 0.98 else None, timestamp


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63))
def test_the_same_follows_with_and_without_the_extension(seed: int) -> None:
    draw = random.Random(seed)
    numbers = iter(range(10, 100_000))
    folds = [[WARM]]
    folds += [
        [[some_entry(draw, next(numbers)) for _ in range(draw.randint(1, 40))] for _ in range(draw.randint(1, 3))]
        for _ in range(3)
    ]
    assert_same(folds, draw.choice((0, 0, 1)))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_an_event_follows_alone_and_among_others(form: tuple[str, str]) -> None:
    old, new = form
    texts = [msgspec.json.encode(plain(number)).replace(old.encode(), new.encode(), 1) for number in range(10, 13)]
    singles = [entry(text, TARGETS[number % 3].encode()) for number, text in enumerate(texts, 10)]
    among = b",".join([msgspec.json.encode(plain(20)), texts[0], msgspec.json.encode(plain(21))])
    assert_same([[WARM], [singles], [[(None, b"[%b]" % among, NOW)]]])


def test_the_extension_counts_what_is_usual_and_leaves_the_rest(native: Any) -> None:
    partition = state()
    partition.apply(packed(batch_bytes(0, WARM)), NOW)
    statuses = [200, 204, 301, 403, 404, 418, 429, 500, 400, 200]
    entries = [entry(plain(number, response={"status": status})) for number, status in enumerate(statuses, 30)]
    entries.append((None, msgspec.json.encode([plain(50), plain(51, response={"status": 400}), plain(52)]), NOW))
    [batch] = packed(batch_bytes(3, entries)).parts
    targets, ids = partition._targets, partition._ids
    place, index, left, counted = 0, 0, [], 0
    while True:
        arguments = (targets.loaded, targets.changed, ids.recent, ids.older, 30_000, False)
        place, index, more = batch.apply(place, index, *arguments)
        counted += more
        if place == len(batch):
            break
        left.append((place, index))
        place, index = (place, index + 1) if index >= 0 else (place + 1, 0)
    assert left == [(8, -1), (10, 1)]
    assert counted == 11


def test_a_fold_whose_rows_are_recovered_is_applied_once() -> None:
    entries = [entry(plain(number)) for number in range(30)]
    before = state()
    before.apply(packed(batch_bytes(0, entries[:20])), NOW)
    rows = dict(before.take_changed())
    again = state(dict(rows))
    again.apply(packed(batch_bytes(0, entries)), NOW)
    assert sum(row.totals()["responses"] for row in again.rows().values()) == 30
    again.apply(packed(batch_bytes(10, [*entries[10:], entry(plain(30))])), NOW)
    assert sum(row.totals()["responses"] for row in again.rows().values()) == 31


def test_successes_with_headers_are_learned_alike() -> None:
    request = plain(0)["request"] | {"headers": [["User-Agent", "shop"], ["Accept", "*/*"]]}
    singles = [entry(plain(number, request=request)) for number in range(10, 40)]
    shared = [
        (None, msgspec.json.encode([plain(number + more, request=request) for more in range(3)]), NOW)
        for number in (50, 60)
    ]
    without, _ = assert_same([[WARM], [singles], [shared], [shared[:1], singles[:5]]])
    assert any(target.profile is not None for target in without.loaded_targets())


@pytest.mark.parametrize("spoil", [slice(57, 61), slice(61, 62), slice(66, 67), slice(-1, None)])
def test_a_batch_that_is_not_framed_is_left_to_aiokafka(spoil: slice) -> None:
    data = bytearray(batch_bytes(0, WARM))
    data[spoil] = b"\x7f" * len(data[spoil])
    kept = KeptRecords(bytes(data))
    assert kept.pack(kept.next_batch(), 0) is None


@pytest.mark.parametrize("place", [22, 70, -1])
def test_a_batch_with_a_wrong_bit_is_seen(place: int) -> None:
    data = bytearray(batch_bytes(0, WARM))
    data[place] ^= 1
    kept = KeptRecords(bytes(data))
    assert not kept.is_whole(kept.next_batch())


def test_the_checksum_is_castagnolis(native: Any) -> None:
    """By the check value of RFC 3720's CRC-32C."""
    assert native.checksum(b"0123456789", 1, 10) in (0xE3069283, None)


def test_a_batch_of_an_earlier_format_is_left_to_aiokafka() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 16)
    builder.append(0, NOW, b"key", b"value")
    kept = KeptRecords(bytes(builder.build()))
    batch = kept.next_batch()
    assert kept.is_whole(batch)
    assert kept.pack(batch, 0) is None


def test_nothing_is_leaked(native: Any) -> None:
    draw = random.Random(400)
    data = batch_bytes(3, [some_entry(draw, number) for number in range(10, 200)])

    def work() -> None:
        partition = state()
        partition.apply(packed(batch_bytes(0, WARM)), NOW)
        partition.apply(packed(data), NOW)

    def in_use() -> tuple[int, int]:
        gc.collect()
        return sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        for _ in range(3):
            work()
        blocks, size = in_use()
        for _ in range(10):
            work()
        more_blocks, more_size = in_use()
    finally:
        tracemalloc.stop()
    assert more_blocks - blocks < 100
    assert more_size - size < 20_000


async def test_a_worker_packs_responses_where_the_extension_is_built(
    native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiokafka.consumer.fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(packing, "find_native", lambda: None)
    app = new_app(load_settings(), "worker")
    install(app, packed=["responses"])
    assert isinstance(app.transport, FoldingTransport)
    assert not app.transport.packed
    monkeypatch.setattr(packing, "find_native", lambda: native)
    install(app, packed=["responses"])
    assert app.transport.packed == {"responses"}
    assert aiokafka.consumer.fetcher.MemoryRecords is KeptRecords
    install(app)
    assert not app.transport.packed


def test_an_extension_of_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch, native: Any) -> None:
    monkeypatch.setitem(sys.modules, "streams.packed._native", native)
    monkeypatch.setattr("streams.packed._native", native, raising=False)
    assert find_native() is native
    monkeypatch.setattr(native, "INTERFACE", 0)
    assert find_native() is None


def test_where_it_cannot_be_built_one_line_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("int broken(void) { return none; }\n")
    assert "none" in str(hatch_build.build(broken, tmp_path / "broken.so"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no C compiler" in str(hatch_build.build(SOURCE, tmp_path / "built.so"))
    assert list(tmp_path.iterdir()) == [broken]
