"""Files as they come: packed, cut short, empty, hostile, of unknown format."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from halt400.errors import InputError
from streams.replay import Recording, read_events
from tests.replay.conftest import Read, exchange
from tests.replay.test_access_log import COMBINED
from tests.replay.test_har import _entry, _har

SAMPLES = {"jsonl": exchange(), "har": _har(_entry()), "log": COMBINED}


@pytest.mark.parametrize("input_format", SAMPLES)
def test_gzip_changes_nothing(read: Read, input_format: str) -> None:
    plain, _ = read(SAMPLES[input_format], name="night")
    packed, _ = read(gzip.compress(SAMPLES[input_format].encode()), name="night.gz")
    assert [(event.id, event.target, event.job_id) for event in plain] == [
        (event.id, event.target, event.job_id) for event in packed
    ]


@pytest.mark.parametrize("input_format", SAMPLES)
def test_a_byte_order_mark_and_blank_lines_in_front_do_no_harm(read: Read, input_format: str) -> None:
    events, unread = read(b"\xef\xbb\xbf\r\n\r\n" + SAMPLES[input_format].encode() + b"\r\n")
    assert (len(events), unread) == (1, [])


def test_a_broken_first_line_does_not_hide_the_format(read: Read) -> None:
    events, (unread,) = read('{"source": "a", "fi\n' + exchange())
    assert len(events) == 1
    assert unread.where == "line 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"[" + exchange().encode() + b"]", "JSON array"),
        (b"name,status\nx,400\n", "neither"),
        (b"\x00" * 5000, "neither"),
        (exchange().encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04....", "zip"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (b"\x1f\x8b\x08\x00garbage", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(content)
    assert caught.value.mend


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"status": 400, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"method": "GET", "url": "https://a.example/", "status": 400, "source": "\\ud800"}',
        b'{"method": "GET", "url": "https://a.example/", "status": 1e400}',
        b'{"method": "GET", "url": "https://a.example/", "status": true}',
        b'{"method": "GET", "url": "", "status": 200}',
        b'{"method": "", "url": "https://a.example/", "status": 200}',
        b'{"method": "GET", "url": "https://a.example/", "status": 999}',
        b'{"method": "GET", "url": "https://a.example/", "status": 200, "request_body": {"a": 1}}',
        b'{"response": 5}',
        b'{"response": {"status": 200}}',
        b"null",
        b"\xff\xfe\x00",
        b'{"method": "GET", "url": "https://a.example/\xff", "status": 200}',
    ],
)
def test_a_hostile_line_is_named_and_the_next_one_is_read(read: Read, line: bytes) -> None:
    good = exchange().encode()
    events, unread = read(good + b"\n" + line + b"\n" + good + b"\n")
    assert len(events) == 2
    assert [found.where for found in unread] == ["line 2"]


def test_a_gzip_cut_short_gives_what_it_holds(read: Read) -> None:
    lines = "\n".join(exchange(file=f"{number:032x}") for number in range(3000))
    packed = gzip.compress(lines.encode())
    events, unread = read(packed[: len(packed) // 2])
    assert 0 < len(events) < 3000
    assert "damaged" in unread[-1].what


@pytest.mark.slow
def test_a_line_without_end_is_passed_over_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(exchange().encode() + b"\n")
        for _ in range(100):
            packed.write(b"\x20" * 1_000_000)
        packed.write(b"\n" + exchange().encode() + b"\n")
    tracemalloc.start()
    try:
        with Recording(str(path)) as recording:
            items = list(read_events(recording))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(items) == 3
    assert "longer than" in str(items[1])
    assert peak < 40_000_000


@pytest.mark.slow
def test_a_long_log_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_text((COMBINED + "\n") * 30_000)
    tracemalloc.start()
    try:
        with Recording(str(path)) as recording:
            count = sum(1 for _ in read_events(recording))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30_000
    assert peak < 5_000_000


def test_a_named_format_is_not_checked(read: Read) -> None:
    events, unread = read("nonsense\n" * 200 + COMBINED, input_format="log")
    assert (len(events), len(unread)) == (1, 200)
