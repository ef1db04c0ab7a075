"""A wall clock of its own for a process: a small C library that its environment preloads, and a file with the shift."""

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["WallClock", "why_no_wall_clock"]

_SOURCE = Path(__file__).with_name("wall_clock.c")


def why_no_wall_clock() -> str | None:
    """Why clocks cannot be shifted on this machine, None where they can."""
    if sys.platform != "linux":
        return "clocks are shifted on Linux only"
    return None if shutil.which("cc") else "there is no C compiler `cc`"


class WallClock:
    """The clock of one process; `environment` is what it is started with, empty where clocks cannot be shifted."""

    def __init__(self, directory: Path, name: str) -> None:
        self._file = directory / f"{name}.clock"
        self.environment: dict[str, str] = {}
        self.shift_s = 0.0
        self.shift(0.0)
        if why_no_wall_clock() is None:
            self.environment = {"LD_PRELOAD": str(_library(directory)), "CHAOS_CLOCK": str(self._file)}

    def shift(self, seconds: float) -> None:
        """Set it this many seconds before or after this machine's; in force at once."""
        self.shift_s = seconds
        data = int(seconds * 1000).to_bytes(8, sys.byteorder, signed=True)
        if self._file.exists():
            with self._file.open("r+b") as file:
                file.write(data)
        else:
            self._file.write_bytes(data)


def _library(directory: Path) -> Path:
    library = directory / "wall_clock.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"], check=True)
    return library
