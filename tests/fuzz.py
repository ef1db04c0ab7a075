"""Search for counterexamples: every test that uses Hypothesis, with random seeds, again and again until the time is up.

Run by ``make fuzz``. A failure prints its example and its seed. Make the example an ``@example`` of the test.
"""

import argparse
import os
import random
import subprocess
import sys
import time


def main() -> int:
    """Run passes until the time is up, the last one to its end, or until a test fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to search (10)")
    parser.add_argument("--seed", type=int, help="one pass with this seed")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.minutes * 60
    command = [sys.executable, "-m", "pytest", "-q", "-n", "logical", "--dist", "worksteal", "--exitfirst"]
    command += ["-m", "hypothesis and not broker and not s3", "--timeout=0"]
    passes = 0
    while passes == 0 or (arguments.seed is None and time.monotonic() < end):
        seed = random.getrandbits(32) if arguments.seed is None else arguments.seed
        print(f"Pass {passes + 1}, seed {seed}", flush=True)
        code = subprocess.run(
            [*command, f"--hypothesis-seed={seed}"], env=os.environ | {"HYPOTHESIS_PROFILE": "random"}, check=False
        ).returncode
        if code != 0:
            print(f"Seed {seed} failed. To repeat it: make fuzz SEED={seed}")
            return code
        passes += 1
    print(f"No counterexample in {passes} passes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
