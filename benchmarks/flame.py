"""A flame graph of a process and its children, by py-spy."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.throughput_peers import CannotRun

__all__ = ["draw_flame"]


def draw_flame(pid: int, path: Path) -> None:
    """Let py-spy sample a process until it ends, and then write a flame graph (SVG).

    Raises
    ------
    CannotRun
        py-spy is not installed.
    """
    command = shutil.which("py-spy")
    if command is None:
        raise CannotRun("--flame needs py-spy: pip install py-spy")
    options = ["--subprocesses", "--gil", "--nonblocking", "--function", "--rate", "250"]
    subprocess.Popen(
        [command, "record", "--pid", str(pid), *options, "--output", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
