"""Runs one measurement by name: ``python -m benchmarks NAME [arguments]`` is ``benchmarks.NAME.main(arguments)``."""

import sys
from importlib import import_module
from importlib.util import find_spec


def main(arguments: list[str]) -> int:
    """Dispatch to the named benchmark; its return value is the exit code."""
    name = arguments[0] if arguments else ""
    if not name.isidentifier() or find_spec(f"benchmarks.{name}") is None:
        print("usage: python -m benchmarks NAME [arguments], such as: python -m benchmarks throughput --quick")
        return 2
    exit_code: int = import_module(f"benchmarks.{name}").main(arguments[1:])
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
