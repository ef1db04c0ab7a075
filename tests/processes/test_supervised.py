"""A supervised process ends when its owner does, however either of them ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.processes.supervised import SupervisedProcess
from tests.local.waiting import until

SERVER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVER

OWNER = """
import os, sys
from pathlib import Path
from streams.processes.supervised import SupervisedProcess

directory = Path(sys.argv[1])
command = [sys.executable, "-c", sys.argv[2]]
server = SupervisedProcess(command, directory / "log", grace_s=1.0, remove=directory / "data")
{then}
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # An orphan that has ended stays a zombie where the container's first process does not collect it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # Without /proc, whoever takes a signal is alive.


def server_pid(log: Path) -> int:
    until(lambda: log.exists() and log.read_text().endswith("\n"), "the server's first line")
    return int(log.read_text().split()[0])


def own(directory: Path, server: str, then: str = "") -> "subprocess.Popen[bytes]":
    (directory / "data").mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then), directory, server], stdin=subprocess.PIPE, cwd=Path.cwd()
    )


def test_stop_ends_the_server_and_its_output_can_be_read(tmp_path: Path) -> None:
    server = SupervisedProcess([sys.executable, "-c", SERVER], tmp_path / "log")
    pid = server_pid(tmp_path / "log")
    assert server.running
    server.stop()
    assert not server.running
    assert not is_alive(pid)
    assert server.log_tail() == str(pid)


def test_a_server_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    server = SupervisedProcess([sys.executable, "-c", STUBBORN], tmp_path / "log", grace_s=0.3)
    pid = server_pid(tmp_path / "log")
    server.stop()
    assert not is_alive(pid)


def test_a_server_that_ends_by_itself_leaves_its_exit_code_and_its_log(tmp_path: Path) -> None:
    server = SupervisedProcess([sys.executable, "-c", "raise OSError('no space')"], tmp_path / "log", remove=tmp_path)
    assert server.wait(30.0) == 1
    assert not server.running
    assert server.error_lines() == "OSError: no space"
    server.stop()


@pytest.mark.parametrize("server", [SERVER, STUBBORN], ids=["obedient", "stubborn"])
def test_an_owner_killed_by_sigkill_ends_the_server_and_removes_its_data(tmp_path: Path, server: str) -> None:
    with own(tmp_path, server) as owner:
        pid = server_pid(tmp_path / "log")
        owner.kill()
    until(lambda: not is_alive(pid), "the end of the server")
    until(lambda: not (tmp_path / "data").exists(), "the removal of its data")


def test_a_fork_that_outlives_the_owner_does_not_keep_the_server_alive(tmp_path: Path) -> None:
    fork = "if os.fork() == 0: [*map(os.close, (0, 1, 2))], __import__('time').sleep(20), os._exit(0)"
    with own(tmp_path, SERVER, then=fork) as owner:
        pid = server_pid(tmp_path / "log")
        owner.kill()
    until(lambda: not is_alive(pid), "the end of the server", within_s=10.0)


def test_an_owner_that_ends_without_stopping_the_server_ends_it(tmp_path: Path) -> None:
    with own(tmp_path, SERVER) as owner:
        pid = server_pid(tmp_path / "log")
        assert owner.stdin is not None
        owner.stdin.close()
    until(lambda: not is_alive(pid), "the end of the server")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_supervisor_killed_by_sigkill_ends_the_server(tmp_path: Path) -> None:
    server = SupervisedProcess([sys.executable, "-c", SERVER], tmp_path / "log")
    pid = server_pid(tmp_path / "log")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), "the end of the server")
    server.stop()
