"""A view of the mounts of its own, for this process and its children."""

import ctypes
import subprocess
import sys

__all__ = ["take_own_mounts"]

_CLONE_NEWNS = 0x00020000


def take_own_mounts() -> bool:
    """Leave this machine's view of its mounts; False where that is not permitted.

    What is mounted then is gone when the last of these processes has ended, even by SIGKILL. The kernel keeps the view
    of each thread apart (unshare(2), CLONE_NEWNS), so call it before there is a second one.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        return False
    private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)
    return private.returncode == 0
