"""How the C library's allocator keeps memory that was freed, so that the kernel need not clear it anew."""

import ctypes

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""
LARGEST_KEPT_BYTES = 32 * 1024 * 1024
"""glibc takes no more."""
MOST_FREE_BYTES = 64 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Keep up to 64 MiB of freed memory; False where the C library is another than glibc.

    Each answer to a fetch is 2 MiB, in three copies. glibc gives blocks of that size back at once: the page faults of
    the next ones took 0.6 µs for each event.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and mallopt(_M_TRIM_THRESHOLD, MOST_FREE_BYTES))
