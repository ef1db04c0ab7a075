"""The processor time and memory of processes are those that the kernel accounts."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.usage import usage_of

WORK = "import time\nwhile time.process_time() < 0.3: pass\nheld = bytearray(64 << 20)\nprint(flush=True)\ninput()"
IN_A_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WORK!r}])"


@pytest.mark.slow
def test_what_a_child_of_a_process_takes_is_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", IN_A_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()
        found = usage_of(parent.pid)
        parent.stdin.close()
    assert 0.3 <= found.cpu_s < 5
    assert found.peak_rss_bytes > 64 << 20


def test_our_own_time_is_that_of_the_process_clock() -> None:
    before, began = usage_of(os.getpid()).cpu_s, time.process_time()
    while time.process_time() < began + 0.2:
        pass
    assert 0.15 < usage_of(os.getpid()).cpu_s - before < 5
