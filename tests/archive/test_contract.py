"""The contract of every archive, tested with a directory and with a real S3 server."""

import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from halt400.errors import ArchiveError
from streams.archive import Archive, open_archive, read_uri
from streams.archive.directory_archive import DirectoryArchive
from streams.archive.interface import ArchiveChanged, ArchiveUnavailable
from streams.archive.object_names import object_key
from streams.settings import ArchiveSettings
from tests.archive.offences import offence

TARGETS = [
    "api.shop.example",
    "..",
    ".",
    ".hidden",
    "a%2Fb",
    "ümläut.example",
    "x" * 255,
    "密" * 255,
    "a~b",
    "UP.example",
]


def test_what_is_written_is_read_and_listed_in_order(archive: Archive) -> None:
    keys = [object_key(offence(number).source, target, 0) for number, target in enumerate(TARGETS)]
    for number, key in enumerate(keys):
        archive.write(key, b"%d" % number)
    for number, key in enumerate(keys):
        assert archive.read(key) == b"%d" % number
        assert archive.exists(key)
    assert list(archive.keys()) == sorted(keys)
    assert list(archive.keys("api.shop.example/")) == [keys[0]]
    assert list(archive.keys("api.shop")) == [keys[0]]
    assert list(archive.keys("api.shop.example/1970-01-01/halt400")) == [keys[0]]
    assert list(archive.keys("no such")) == []


def test_writing_twice_leaves_one_object(archive: Archive) -> None:
    for _ in range(3):
        archive.write("t/2026-01-01/r-0-1.har", b"evidence")
    assert list(archive.keys()) == ["t/2026-01-01/r-0-1.har"]
    archive.write("t/2026-01-01/r-0-1.har", b"shorter")
    assert archive.read("t/2026-01-01/r-0-1.har") == b"shorter"


def test_several_objects_are_written_at_once_and_the_last_of_a_key_counts(archive: Archive) -> None:
    keys = [f"t-{number % 3}/2026-01-01/r-0-{number}.har" for number in range(7)]
    archive.write_all([(keys[2], b"before"), *((key, key.encode()) for key in keys)])
    assert sorted(archive.keys()) == sorted(keys)
    assert [archive.read(key) for key in keys] == [key.encode() for key in keys]


def test_an_object_is_found_by_its_uri(settings: ArchiveSettings, archive: Archive) -> None:
    for number, target in enumerate(TARGETS):
        key = object_key(offence(number).source, target, 0)
        archive.write(key, target.encode())
        assert archive.uri(key).startswith(settings.uri)
        assert read_uri(settings, archive.uri(key)) == target.encode()


def test_an_object_is_replaced_only_by_its_current_tag(archive: Archive) -> None:
    key = "t/2026-01-01/r-0.manifest.json"
    assert archive.read_with_tag(key) is None
    first = archive.replace(key, b"one", None)
    assert archive.read_with_tag(key) == (b"one", first)
    second = archive.replace(key, b"two", first)
    for tag in (None, first):
        with pytest.raises(ArchiveChanged):
            archive.replace(key, b"late", tag)
    assert archive.read_with_tag(key) == (b"two", second)
    with pytest.raises(ArchiveChanged):
        archive.replace("t/2026-01-01/r-1.manifest.json", b"late", first)
    assert list(archive.keys()) == [key]


def test_of_several_objects_those_with_their_current_tag_are_replaced(archive: Archive) -> None:
    keys = [f"t-{number}/2026-01-01/r-0.manifest.json" for number in range(4)]
    tags = archive.replace_all([(key, b"one", None) for key in keys])
    assert tags == [archive.replace(key, b"one", tag) for key, tag in zip(keys, tags, strict=True)]
    changed = archive.replace(keys[1], b"another", tags[1])
    replaced = archive.replace_all([(key, b"two", tag) for key, tag in zip(keys, tags, strict=True)])
    assert [tag is None for tag in replaced] == [False, True, False, False]
    assert archive.read_with_tag(keys[1]) == (b"another", changed)
    assert [archive.read(key) for key in keys] == [b"two", b"another", b"two", b"two"]
    assert list(archive.keys()) == keys


def test_of_many_writers_with_the_same_tag_one_replaces_the_object(
    settings: ArchiveSettings, request: pytest.FixtureRequest
) -> None:
    if settings.uri.startswith("s3:") and request.getfixturevalue("s3").name == "S3Proxy":
        pytest.skip("S3Proxy compares first and writes then, not both at once")
    writers = [open_archive(settings) for _ in range(6)]
    for number in range(10):
        key = f"t/2026-01-01/r-{number}.manifest.json"
        tag = writers[0].replace(key, b"seen by all", None) if number % 2 else None
        together = threading.Barrier(len(writers))

        def replaces(
            writer: int, key: str = key, tag: str | None = tag, together: threading.Barrier = together
        ) -> bool:
            together.wait()
            try:
                writers[writer].replace(key, b"by %d" % writer, tag)
            except ArchiveChanged:
                return False
            return True

        with ThreadPoolExecutor(len(writers)) as threads:
            replaced = list(threads.map(replaces, range(len(writers))))
        assert sum(replaced) == 1
        assert writers[0].read(key) == b"by %d" % replaced.index(True)


def test_reading_a_missing_object_is_an_error(archive: Archive) -> None:
    assert not archive.exists("t/2026-01-01/r-0-9.har")
    with pytest.raises(ArchiveError) as caught:
        archive.read("t/2026-01-01/r-0-9.har")
    assert not isinstance(caught.value, ArchiveUnavailable)
    assert caught.value.mend


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "a/", "a\0b"])
def test_no_name_leads_out_of_the_archive(archive: Archive, key: str) -> None:
    for use in (lambda: archive.write(key, b""), lambda: archive.read(key), lambda: archive.exists(key)):
        with pytest.raises(ArchiveError, match="no name"):
            use()


def test_readers_never_see_half_an_object(archive: Archive) -> None:
    key = "t/2026-01-01/r-0-1.har"
    # Two writers of one object write the same bytes; a directory stands more than that. (S3Proxy, unlike S3, stores
    # content and checksum one after the other.)
    different = isinstance(archive, DirectoryArchive)
    bodies = [bytes([65 + number * different]) * 200_000 for number in range(6)]
    whole = {sha256(body).digest() for body in bodies}
    archive.write(key, bodies[0])
    stop = threading.Event()
    seen: set[bytes] = set()

    def watch() -> None:
        while not stop.is_set():
            seen.add(sha256(archive.read(key)).digest())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda body: archive.write(key, body), bodies * 4))
    finally:
        stop.set()
        watcher.join()
    assert seen <= whole
    assert sha256(archive.read(key)).digest() in whole
    assert list(archive.keys()) == [key]


def until_taken(archive: Archive, key: str, data: bytes) -> None:
    for _ in range(1000):
        try:
            return archive.write(key, data)
        except ArchiveUnavailable:
            continue
    raise AssertionError("never taken")


def test_a_directory_has_no_retention_rule_and_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        open_archive(ArchiveSettings(uri=tmp_path.as_uri())).set_retention(30)
    assert "find" in caught.value.mend


def test_a_directory_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="cannot be written"):
        open_archive(ArchiveSettings(uri=(tmp_path / "file" / "x").as_uri())).check()


def test_what_a_killed_writer_left_is_not_listed_and_is_replaced(tmp_path: Path) -> None:
    archive = open_archive(ArchiveSettings(uri=tmp_path.as_uri()))
    archive.write("t/d/k.har", b"whole")
    (tmp_path / "t" / "d" / ".k.har.part").write_bytes(b"half of it, and longer")
    assert list(archive.keys()) == ["t/d/k.har"]
    archive.write("t/d/k.har", b"again")
    assert archive.read("t/d/k.har") == b"again"
    assert [path.name for path in (tmp_path / "t" / "d").iterdir()] == ["k.har"]


def test_a_removed_directory_is_created_again(tmp_path: Path) -> None:
    import shutil

    archive = open_archive(ArchiveSettings(uri=(tmp_path / "x").as_uri()))
    archive.write("t/d/k.har", b"1")
    shutil.rmtree(tmp_path / "x")
    until_taken(archive, "t/d/k.har", b"2")
    assert archive.read("t/d/k.har") == b"2"


@pytest.mark.parametrize("uri", ["s3://b", "file:///", "https://a/b", "x", "s3:/b/c", "file://k"])
def test_a_uri_of_no_object_is_refused(uri: str) -> None:
    with pytest.raises(ArchiveError, match="no URI"):
        read_uri(ArchiveSettings(uri="file:///tmp"), uri)
