"""What a stranger can put into a request, response or recording: entities, bombs, depth, patterns, file names."""

import gzip
import json
import resource
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from halt400.diagnosis import diagnose
from halt400.errors import InputError
from halt400.events import BODY_LIMIT_BYTES
from halt400.exchanges.input_file import LONGEST_LINE_BYTES, InputFile
from halt400.fingerprints import fingerprints
from halt400.guard.content_coding import without_content_coding
from halt400.records import UNDECODABLE, Request, Response, Source
from halt400.redaction import RedactionRules, Redactor
from halt400.url_templates import url_template
from streams.archive.directory_archive import DirectoryArchive
from streams.archive.object_names import manifest_key, object_key
from streams.processing.decoding import decode_counted, decode_event
from tests.attacks.listener import Listener

SECRET = "root:x:0:0: what only this file has"
MOST_S = 5.0
"""Processor time, far above what is spent: what grows with the square takes minutes."""


def test_an_external_entity_is_neither_read_nor_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    with Listener() as listener:
        for system in ((tmp_path / "secret").as_uri(), listener.url):
            for declared in (f'<!ENTITY x SYSTEM "{system}">', f'<!ENTITY % x SYSTEM "{system}"> %x;'):
                body = f"<!DOCTYPE a [{declared}]><a>&x;</a><"
                headers = [("Content-Type", "application/xml")]
                request = Request(method="POST", url="https://a.example/", headers=headers, body=body)
                found = diagnose(request, Response(status=400, body=body))
                assert SECRET not in msgspec.json.encode(found).decode()
    assert listener.connections == 0


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_unpacks_to_a_gigabyte_is_unpacked_to_a_megabyte(coding: str) -> None:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    bomb = b"".join([*(packer.compress(b"\0" * (1 << 20)) for _ in range(64)), packer.flush()])
    tracemalloc.start()
    assert len(without_content_coding(bomb, coding)) == BODY_LIMIT_BYTES
    assert tracemalloc.get_traced_memory()[1] < 8 * BODY_LIMIT_BYTES
    tracemalloc.stop()


@pytest.mark.slow
def test_a_recording_that_unpacks_without_end_is_refused_or_left_out_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.har.gz"
    path.write_bytes(gzip.compress(b" " * (64 << 20)))
    with InputFile(str(path)) as file, pytest.raises(InputError, match="larger than"):
        file.read_all(1 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with InputFile(str(path)) as file:
        assert [number for number, _ in file.lines()] == [1]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 4 * LONGEST_LINE_BYTES


@pytest.mark.parametrize("unit", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize(
    "place", ["%s", '{"id":"a","time":1,"target":"t","job_id":"j","response":{"status":400},"x":%s}']
)
def test_a_million_nested_values_are_refused_like_any_other_record(unit: str, place: str) -> None:
    record = (place % (unit * 1_000_000)).encode()
    for decode in (decode_counted, decode_event, msgspec.json.decode):
        with pytest.raises(UNDECODABLE):
            decode(record)


TRAPS = [
    "a" * 50_000 + "!",
    "%2" * 50_000,
    "/" * 50_000,
    "0-" * 50_000,
    "a@" * 50_000,
    "a=" * 50_000 + "&",
    "eyJ" + "a." * 50_000,
    "\\" * 50_000 + '"',
    "https://a:" * 10_000,
    "Bearer " * 20_000,
    "-----BEGIN " * 10_000,
]


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap[:6])
def test_no_pattern_takes_more_than_linear_time(trap: str) -> None:
    redactor = Redactor(RedactionRules(), b"the key of the attacks")
    started = time.process_time()
    redactor.text(trap)
    redactor.text(json.dumps({"note": trap, trap[:200]: trap}))
    url_template(f"https://a.example/{trap}")
    fingerprints("a.example", Request(method="GET", url=f"https://a.example/{trap}?{trap}", body=trap))
    assert time.process_time() - started < MOST_S


NAMES = [
    "..",
    "../../../etc/cron.d/x",
    "/etc/passwd",
    "..\\..\\windows",
    "%2e%2e%2f",
    ".",
    ".hidden",
    "a\0b",
    "~root",
    "a" * 255,
    "é" * 200,
    "\ud800",
    "con",
    "x/../../y",
    "-rf",
    "\u202e..",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_of_a_target_leaves_the_archive(name: str, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    archive = DirectoryArchive(root.as_uri(), synced=False)
    source = Source(topic="halt400.responses", partition=0, offset=7)
    keys = [object_key(source, name, 1_760_000_000_000), manifest_key(name, 0, "halt400.offences", 0)]
    for key in keys:
        archive.write(key, b"evidence")
        assert archive.read_with_tag(key)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    for file in files:
        assert file.resolve().is_relative_to(root)
        assert len(file.relative_to(root).parts) == 3
        assert str(file).isascii()
        assert str(file).isprintable()
