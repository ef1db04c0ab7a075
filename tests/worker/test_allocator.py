"""Memory of large blocks is kept where it was freed: no page of the next one is cleared anew by the kernel."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from streams.worker.allocator import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
for _ in range(5):
    bytes(bytearray(2_000_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    bytes(bytearray(2_000_000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_blocks_of_an_answers_size_cause_no_page_faults() -> None:
    command = [sys.executable, "-c", FAULTS, "keep"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("the C library is no glibc")
    assert int(done.stdout) < 500, done.stderr
