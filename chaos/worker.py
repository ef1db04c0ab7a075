"""One real ``halt400 worker`` with its follow-up process: started again when it ends, killed, frozen, stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from chaos.wall_clock import WallClock

__all__ = ["WorkerProcess"]

STOP_S = 60.0


class WorkerProcess:
    """A worker by name.

    Attributes
    ----------
    ended
        (time in ms, exit code) of each end that nobody asked for.
    code
        The checkout whose code it begins with at its next start, None for this one.
    late
        When it had not stopped in time although it was told to, in ms.
    """

    def __init__(
        self, name: str, environment: dict[str, str], directory: Path, processes: int = 1, code: Path | None = None
    ) -> None:
        self.name, self._processes = name, processes
        self.log_path, self.clock = directory / f"{name}.log", WallClock(directory, name)
        self._environment = environment | {"HALT400_STATE_DIR": str(directory / name)} | self.clock.environment
        self.code = code
        self.ended: list[tuple[int, int]] = []
        self.late: list[int] = []
        self.wanted = False
        self._held = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_began = 0

    @property
    def is_ready(self) -> bool:
        """Whether each of its detect processes has its partitions since its last start."""
        return self.runs and self.log_text()[self._log_began :].count("Ready:") >= self._processes

    @property
    def runs(self) -> bool:
        """Whether its detect process has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs."""
        self.wanted = True
        if self.runs or self._held:
            return
        self._log_began = len(self.log_text())
        has_processes = self.code is None or _has_processes(self.code)
        options = ["--processes", str(self._processes)] if has_processes else []
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "halt400", "worker", *options],
                # What is started by -m is looked for in the working directory first.
                env=self._environment | ({"PYTHONPATH": str(self.code)} if self.code else {}),
                cwd=self.code,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def keep(self) -> None:
        """Start it again where it has ended although it is wanted; to be called often."""
        if self.wanted and self._process is not None and self._process.poll() is not None:
            self.ended.append((int(time.time() * 1000), self._process.returncode))
            self._process = None
            self.start()

    def hold(self) -> None:
        """Do not start it again, whoever wants it, until it is released."""
        self._held += 1

    def release(self) -> None:
        """Start it again where it is wanted."""
        self._held -= 1
        if self.wanted:
            self.start()

    def kill(self) -> None:
        """SIGKILL both of its processes and what is between them."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def kill_one(self, name: str) -> None:
        """SIGKILL the process of it that has `name` in its command: ``follow-up``, ``detect-1``."""
        found = [pid for pid in self.pids() if name.encode() in _command_of(pid)]
        for pid in found[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> int | None:
        """Stop it as an operator would; its exit code, None where it did not end in time and was killed."""
        self.wanted = False
        if self._process is None:
            return 0
        if self.runs:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.late.append(int(time.time() * 1000))
            self.kill()
            return None

    def rest(self) -> None:
        """Stop it, and let it be wanted as before: it is to be held meanwhile."""
        wanted = self.wanted
        self.stop()
        self._process, self.wanted = None, wanted

    @property
    def api_url(self) -> str | None:
        """Where it serves the API since its last start, None while it does not."""
        found = re.findall(r"The API answers at (http\S+?)\.?\s", self.log_text())
        return found[-1] if found and self.runs else None

    def log_text(self) -> str:
        """Its whole log."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def pids(self) -> list[int]:
        """The detect process and all that came from it, parents before their children."""
        if self._process is None or self._process.poll() is not None:
            return []
        found = [self._process.pid]
        for pid in found:
            with suppress(OSError):
                found += [
                    int(child)
                    for task in Path(f"/proc/{pid}/task").iterdir()
                    for child in (task / "children").read_text().split()
                ]
        return found

    def measure(self) -> tuple[int, int]:
        """Resident bytes and open descriptors of all of its processes."""
        pages = descriptors = 0
        for pid in self.pids():
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                descriptors += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return pages * os.sysconf("SC_PAGE_SIZE"), descriptors


@cache
def _has_processes(code: Path) -> bool:
    """Whether the worker of an earlier release has the option ``--processes``."""
    command = [sys.executable, "-m", "halt400", "worker", "--help"]
    environment = os.environ | {"PYTHONPATH": str(code)}
    return b"--processes" in subprocess.run(command, env=environment, cwd=code, capture_output=True, check=True).stdout


def _command_of(pid: int) -> bytes:
    """Program and arguments of a process, with a NUL behind each."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
