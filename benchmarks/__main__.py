"""Runs one measurement by name: ``python -m benchmarks NAME [arguments]`` is ``benchmarks.NAME.main(arguments)``."""

import sys
from importlib import import_module

MEASUREMENTS = (
    "detection",
    "diagnosis",
    "fold",
    "gate",
    "install",
    "latency",
    "load",
    "memory",
    "outage",
    "page",
    "scrapy",
    "sdk",
    "sdk_fleet",
    "server_matrix",
    "start",
    "throughput",
)
PARTS = ("bare_consumer", "load_publisher", "naive_faust")
"""What the benchmarks throughput and load start as processes of their own."""

USAGE = f"""\
usage: python -m benchmarks NAME [arguments], such as: python -m benchmarks throughput --quick
NAME is one of: {", ".join(MEASUREMENTS)}. For its arguments: python -m benchmarks NAME --help"""


def main(arguments: list[str]) -> int:
    """Run the named benchmark; its return value is the exit code."""
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help"):
        print(USAGE)
        return 0
    if name not in MEASUREMENTS + PARTS:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        exit_code: int = import_module(f"benchmarks.{name}").main(arguments[1:])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "benchmarks", "halt400", "streams"):
            raise
        print(
            f"The benchmark {name} needs {package}, which is not installed. "
            f"From the repository, run: {sys.executable} -m pip install -e '.[bench]'",
            file=sys.stderr,
        )
        return 1
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
