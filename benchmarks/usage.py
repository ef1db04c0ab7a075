"""What processes take from the machine: processor time and memory, by the kernel's accounting (Linux, ``/proc``)."""

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "machine_cpu_s", "usage_of"]

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Places in ``/proc/PID/stat`` behind the command's name: parent; utime, stime, cutime, cstime. See proc(5)."""


class Usage(NamedTuple):
    """Processor time (user and system) since the start, and the sum of each living process's peak of resident memory.

    Threads and ended children are included; memory that processes share counts once for each.
    """

    cpu_s: float
    peak_rss_bytes: int


def usage_of(pid: int) -> Usage:
    """The usage of a process and all its descendants; one that has ended and is not waited for counts as well."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        found = int(path.parent.name)
        parents[found], ticks[found] = int(fields[_PARENT]), sum(map(int, fields[_TIMES]))
    ours = {pid} & ticks.keys()
    grown = True
    while grown:
        children = {child for child, parent in parents.items() if parent in ours} - ours
        ours |= children
        grown = bool(children)
    return Usage(sum(ticks[found] for found in ours) / _TICKS_PER_S, sum(map(_peak_rss_bytes, ours)))


def machine_cpu_s() -> float:
    """Processor time that the whole machine has used since its start, of all its processors."""
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = (
        int(word) for word in (_PROC / "stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft_interrupts) / _TICKS_PER_S


def _peak_rss_bytes(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
