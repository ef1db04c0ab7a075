"""What this machine, or the container, lets a worker use: processors and memory, and so how many processes."""

import os
from contextlib import suppress
from math import floor
from pathlib import Path

from halt400.errors import SettingError
from streams.settings import Settings

__all__ = ["process_count", "usable_cores", "usable_memory_bytes"]

BYTES_PER_PROCESS = 512 * 1024 * 1024
"""Memory that is reckoned for each detect process."""

_CGROUP = Path("/sys/fs/cgroup")


def process_count(settings: Settings) -> int:
    """How many detect processes a worker has: what is set, else one for each core, as partitions and memory allow.

    Raises
    ------
    SettingError
        More are asked for than there are partitions.
    """
    asked, partitions = settings.worker.processes, settings.kafka.partitions
    if asked is None:
        return max(1, min(usable_cores(), partitions, usable_memory_bytes() // BYTES_PER_PROCESS))
    if asked > partitions:
        raise SettingError(
            f"HALT400_WORKER_PROCESSES={asked}: there are {partitions} partitions, so some would have nothing to do.",
            f"Use at most {partitions}.",
        )
    return asked


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Cores that this process may run on, by its affinity and by the quota of its container; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota, period = (
        _words(cgroup / "cpu.max")
        or (
            *_words(cgroup / "cpu" / "cpu.cfs_quota_us"),
            *_words(cgroup / "cpu" / "cpu.cfs_period_us"),
        )
        or ("max", "1")
    )
    if quota.isdigit():  # "max", and -1 in version 1, are no bound
        cores = min(cores, floor(int(quota) / int(period)))
    return max(1, cores)


def usable_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """The machine's memory, or the bound of the container where that is lower."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in (cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"):
        for word in _words(path):
            if word.isdigit():
                memory = min(memory, int(word))
    return memory


def _words(path: Path) -> tuple[str, ...]:
    with suppress(OSError):
        return tuple(path.read_text().split())
    return ()
