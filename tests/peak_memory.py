"""How much memory of this process something takes while it runs, also in C: nothing is traced, so it costs no time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["PeakMemory", "peak_memory"]

_PROCESS = Path("/proc/self")


class PeakMemory:
    """What was found, when the block has ended.

    Attributes
    ----------
    grown_bytes
        By how much the process was larger in the block than at its beginning.
    """

    grown_bytes: int


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure the block."""
    if not (_PROCESS / "clear_refs").exists():
        pytest.skip("only Linux lets a process begin its peak anew")
    gc.collect()
    (_PROCESS / "clear_refs").write_text("5")
    before, peak = _bytes("VmRSS"), PeakMemory()
    yield peak
    peak.grown_bytes = _bytes("VmHWM") - before


def _bytes(name: str) -> int:
    [line] = [line for line in (_PROCESS / "status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
