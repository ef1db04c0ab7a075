"""Runs an example: ``python -m examples NAME``, with a Kafka and a worker that are started for it.

Where HALT400_KAFKA_BOOTSTRAP_SERVERS names a cluster, that one is used, with the worker that it has.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from streams.cli.local_stack import local_stack

HERE = Path(__file__).parent
NAMES = sorted(path.parent.name for path in HERE.glob("*/scrape.py"))


def main(arguments: list[str]) -> int:
    """Run the named example; its exit code."""
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python -m examples NAME, one of: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    given = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    with nullcontext() if given else local_stack(Console()):
        # `shop.py`, which all of them scrape, is beside their folders.
        path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        return subprocess.run(
            [sys.executable, "scrape.py"],
            cwd=HERE / arguments[0],
            env=os.environ | {"PYTHONPATH": path},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
