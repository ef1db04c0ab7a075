"""Which lines of which files are read: rotation, truncation, patterns, restarts."""

import gzip
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halt400.errors import InputError
from halt400.exchanges.input_file import LONGEST_LINE_BYTES
from halt400.tail import followed_file
from tests.tail.reader import Reader


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def write(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines[:-1]) + (lines[-1] + end if lines else ""))


def test_lines_are_read_as_they_come(log: Path) -> None:
    write(log, "a", "b")
    reader = Reader(log)
    assert reader.read() == ["a", "b"]
    assert reader.read() == []
    write(log, "c")
    assert reader.read() == ["c"]


def test_what_was_there_before_is_passed_over_unless_it_is_asked_for(log: Path) -> None:
    write(log, "old", "half", end="")
    reader = Reader(log, from_start=False)
    assert reader.read() == []
    write(log, " and half", "new")
    assert reader.read() == ["half and half", "new"]


def test_a_line_waits_for_its_end(log: Path) -> None:
    write(log, "a", "b", end="")
    reader = Reader(log)
    assert reader.read() == ["a"]
    write(log, "c")
    assert reader.read() == ["bc"]


def test_once_the_last_line_needs_no_end_and_is_not_read_again_when_it_gets_one(log: Path) -> None:
    write(log, "a", "b", end="")
    reader = Reader(log, once=True)
    assert reader.read() == ["a", "b"]
    write(log, "", "c")
    reader.restart()
    assert reader.read() == ["c"]


def test_once_does_not_run_after_what_is_written_meanwhile(log: Path) -> None:
    write(log, "a", "b")
    reader = Reader(log, once=True)
    reader.watcher.look(0)
    write(log, "c")
    assert reader.read() == ["a", "b"]
    reader.restart()
    assert reader.read() == ["c"]


def test_a_file_that_comes_later_is_read_from_its_beginning(log: Path, tmp_path: Path) -> None:
    reader = Reader(log, tmp_path / "*.jsonl", from_start=False)
    assert reader.read() == []
    write(log, "a")
    write(tmp_path / "x.jsonl", "b")
    assert sorted(reader.read()) == ["a", "b"]


def test_a_renamed_file_is_read_to_its_end_also_when_its_writer_is_late(log: Path) -> None:
    write(log, "a")
    reader = Reader(log)
    reader.read()
    rotated = log.with_name("access.log.1")
    write(log, "b")
    log.rename(rotated)
    write(log, "d")
    assert reader.read() == ["b", "d"]
    write(rotated, "c", "end", end="")
    assert reader.read() == ["c"]
    reader.wait_for_rotated()
    assert reader.read() == ["end"]
    write(rotated, "too late")
    write(log, "e")
    assert reader.read() == ["e"]


def test_a_pattern_that_takes_in_rotated_files_reads_none_twice(log: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "access.log*")
    for number in range(5):
        write(log, f"a{number}", f"b{number}")
        reader.read()
        write(log, f"c{number}")
        for old in range(number, 0, -1):
            log.with_name(f"access.log.{old}").rename(log.with_name(f"access.log.{old + 1}"))
        log.rename(log.with_name("access.log.1"))
        write(log, f"d{number}")
    reader.read()
    assert Counter(reader.lines) == Counter(f"{letter}{number}" for letter in "abcd" for number in range(5))


@pytest.mark.parametrize("pattern", ["access.log", "access.log*"])
@pytest.mark.parametrize("sees_the_copy_first", [False, True])
def test_copied_and_truncated_a_file_loses_nothing(
    log: Path, tmp_path: Path, pattern: str, sees_the_copy_first: bool
) -> None:
    write(log, "a", "b")
    reader = Reader(tmp_path / pattern)
    reader.read()
    write(log, "c")
    shutil.copy(log, log.with_name("access.log.1"))
    if sees_the_copy_first:
        reader.watcher.look(0)
    os.truncate(log, 0)
    write(log, "d")
    assert sorted(reader.read()) == ["c", "d"]
    reader.restart()
    write(log, "e")
    assert reader.read() == ["e"]


def test_a_truncated_file_that_has_grown_beyond_its_old_size_is_noticed(log: Path) -> None:
    write(log, "a", "b")
    reader = Reader(log)
    reader.read()
    os.truncate(log, 0)
    write(log, *"cdefgh")
    assert reader.read() == list("cdefgh")
    assert len(set(reader.identities)) == len(reader.identities)
    assert "lost" in reader.told[0]


def test_a_truncated_file_of_which_the_lines_end_alike_is_noticed(log: Path) -> None:
    """As lines of Caddy do, which end with the headers of the response."""
    headers = "x" * 2 * followed_file.END_BYTES
    write(log, f"1 {headers}", f"2 {headers}")
    reader = Reader(log)
    reader.read()
    log.write_text("")
    write(log, *(f"{number} {headers}" for number in range(3, 8)))
    assert [line[0] for line in reader.read()] == ["3", "4", "5", "6", "7"]


def test_the_hole_that_a_writer_leaves_who_did_not_see_the_truncation_is_passed_over(log: Path) -> None:
    with log.open("w") as writer:
        writer.write("a\n" * 5000)
        writer.flush()
        reader = Reader(log)
        reader.read()
        os.truncate(log, 0)
        reader.read()
        writer.write("b\n")
    assert reader.read() == ["b"]


def test_a_copy_that_goes_its_own_way_is_read_from_there(log: Path, tmp_path: Path) -> None:
    write(log, "a", "b")
    reader = Reader(tmp_path / "access.log*")
    reader.read()
    copy = log.with_name("access.log.1")
    shutil.copy(log, copy)
    assert reader.read() == []
    write(log, "c")
    write(copy, "own")
    assert sorted(reader.read()) == ["c", "own"]


def test_a_copy_in_the_making_is_not_read(log: Path, tmp_path: Path) -> None:
    write(log, "a", "b", "c")
    reader = Reader(tmp_path / "access.log*")
    reader.read()
    copy = log.with_name("access.log.1")
    content = log.read_bytes()
    for end in (0, 1, 3, 6):
        copy.write_bytes(content[:end])
        assert reader.read() == []
    write(log, "d")
    assert reader.read() == ["d"]


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_rotated_while_nobody_looked_is_read_first(log: Path, packed: bool) -> None:
    write(log, "a")
    reader = Reader(log, from_start=False)
    write(log, "b")
    reader.read()
    write(log, "c")
    log.rename(log.with_name("access.log.2"))
    write(log, "d")
    log.rename(log.with_name("access.log.1"))
    write(log, "e")
    if packed:
        old = log.with_name("access.log.2")
        stamps = old.stat()
        with gzip.open(f"{old}.gz", "wb") as file:
            file.write(old.read_bytes())
        os.utime(f"{old}.gz", ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        old.unlink()
    reader.restart()
    assert sorted(reader.read()) == ["c", "d", "e"]
    reader.restart()
    assert reader.read() == []


def test_what_was_truncated_while_nobody_looked_is_read_from_its_beginning(log: Path) -> None:
    write(log, "a", "b")
    reader = Reader(log)
    reader.read()
    write(log, "c")
    shutil.copy(log, log.with_name("access.log.1"))
    os.truncate(log, 0)
    write(log, "d", "e", "f")
    reader.restart()
    assert sorted(reader.read()) == ["c", "d", "e", "f"]


def test_a_file_that_is_gone_is_told(log: Path) -> None:
    write(log, "a")
    reader = Reader(log)
    reader.read()
    log.unlink()
    write(log, "b")
    reader.restart()
    assert reader.read() == ["b"]


def test_a_file_with_another_inode_and_the_same_content_is_read_on(log: Path, tmp_path: Path) -> None:
    write(log, "a", "b")
    reader = Reader(log)
    reader.read()
    shutil.copy(log, tmp_path / "moved")
    log.unlink()
    (tmp_path / "moved").rename(log)
    write(log, "c")
    reader.restart()
    assert reader.read() == ["c"]


def test_another_run_with_other_files_leaves_positions_alone(log: Path, tmp_path: Path) -> None:
    write(log, "a")
    reader = Reader(log)
    reader.read()
    write(tmp_path / "other.log", "b")
    reader._patterns = [str(tmp_path / "other.log")]
    reader.restart()
    assert reader.read() == ["b"]
    write(log, "c")
    reader._patterns = [str(log)]
    reader.restart()
    assert reader.read() == ["c"]


def test_one_file_under_two_patterns_is_read_once(log: Path, tmp_path: Path) -> None:
    write(log, "a")
    (tmp_path / "link.log").hardlink_to(log)
    assert Reader(log, tmp_path / "*.log").read() == ["a"]


def test_a_line_that_is_too_long_is_passed_over_in_parts(log: Path) -> None:
    with log.open("wb") as file:
        file.write(b"a\n" + b"x" * (LONGEST_LINE_BYTES * 3) + b"\nb\n")
    reader = Reader(log)
    assert reader.read() == ["a", "(too long)", "b"]


def test_lines_longer_than_a_chunk_are_read_whole(log: Path) -> None:
    long = "x" * (followed_file.CHUNK_BYTES * 3)
    write(log, "a", long, "b")
    assert Reader(log).read() == ["a", long, "b"]


def test_line_ends_of_windows_and_blank_lines_are_no_lines(log: Path) -> None:
    log.write_bytes(b"a\r\n\r\n\nb\r\n")
    assert Reader(log).read() == ["a", "b"]


def test_numbers_of_lines_are_counted_where_they_are_asked_for(log: Path) -> None:
    write(log, *"abc")
    reader = Reader(log)
    reader.watcher.look(0)
    [file] = reader.watcher.files
    assert [file.line_number(line.begin) for line in file.read(10)] == [1, 2, 3]
    assert file.line_number(0) == 1


def test_packed_files_and_directories_are_refused(log: Path, tmp_path: Path) -> None:
    log.with_name("access.log.1.gz").write_bytes(gzip.compress(b"a\n"))
    reader = Reader(tmp_path / "*")
    assert reader.read() == []
    assert "halt400 replay" in reader.told[0]
    with pytest.raises(InputError, match="is no file"):
        Reader(tmp_path).read()


OPERATIONS = st.lists(
    st.sampled_from(["write", "part", "read", "rename", "copytruncate", "restart", "wait"]), min_size=1, max_size=30
)


@given(operations=OPERATIONS, glob=st.booleans())
@settings(max_examples=60)
def test_whatever_happens_every_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, operations: list[str], glob: bool
) -> None:
    """A writer that appends, rotations of both kinds and restarts, in any order: no line is lost or read twice."""
    log = tmp_path_factory.mktemp("logs") / "access.log"
    log.touch()
    reader = Reader(log.parent / "access.log*" if glob else log)
    reader.read()
    written, rotations, part = [], 0, ""
    for operation in [*operations, "write", "read"]:
        if operation == "write":
            written.append(f"line {len(written)}")
            write(log, written[-1].removeprefix(part) if part else written[-1])
            part = ""
        elif operation == "part" and not part:
            part = f"line {len(written)}"[:3]
            write(log, part, end="")
        elif operation == "read":
            reader.read()
        elif operation == "restart":
            reader.restart()
            reader.read()
        elif operation == "wait":
            reader.read()
            reader.wait_for_rotated()
        elif operation in ("rename", "copytruncate") and not part:
            rotations += 1
            rotated = log.with_name(f"access.log.{rotations}")
            if operation == "rename":
                log.rename(rotated)
                log.touch()
            else:
                reader.read()
                shutil.copy(log, rotated)
                os.truncate(log, 0)
                reader.read()
    reader.wait_for_rotated()
    reader.read()
    assert Counter(reader.lines) == Counter(written)
    assert len(set(reader.identities)) == len(reader.identities)
