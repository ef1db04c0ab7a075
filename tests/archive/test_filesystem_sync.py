"""One sync of a whole filesystem in place of one for each file: where it is used, and that it fails aloud."""

from pathlib import Path

import pytest

from streams.archive.directory_archive import MOST_SINGLE_SYNCS, DirectoryArchive
from streams.archive.filesystem_sync import filesystem_sync


def test_a_filesystem_that_is_not_known_is_synced_file_by_file() -> None:
    assert filesystem_sync("/proc") is None


def test_a_sync_that_fails_is_an_error(tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    directory.mkdir()
    sync = filesystem_sync(str(directory))
    if sync is None:
        pytest.skip("the temporary directory is on a filesystem whose files are synced one by one")
    (directory / "file").write_bytes(b"evidence")
    sync()
    (directory / "file").unlink()
    directory.rmdir()
    with pytest.raises(FileNotFoundError):
        sync()


@pytest.mark.parametrize("count", [MOST_SINGLE_SYNCS, MOST_SINGLE_SYNCS + 1, 150])
def test_a_batch_of_any_size_is_stored_and_replaced(tmp_path: Path, count: int) -> None:
    archive = DirectoryArchive(tmp_path.as_uri())
    objects = {f"target-{number % 7}/2026-01-01/{number:03d}.har": b"%d" % number for number in range(count)}
    archive.write_all(objects.items())
    assert {key: archive.read(key) for key in archive.keys("")} == objects
    tags = [(found := archive.read_with_tag(key)) and found[1] for key in objects]
    changed = [(key, data + b"!", tag) for (key, data), tag in zip(objects.items(), tags, strict=True)]
    assert None not in archive.replace_all(changed)
    assert archive.replace_all(changed) == [None] * count
    assert all(archive.read(key) == data + b"!" for key, data in objects.items())
