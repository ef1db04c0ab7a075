"""What `pip install halt400` costs: ``python -m benchmarks install``.

The package is built and installed from the registry into environments of its own, alone and with extras. Size on disk
without caches of bytecode; processor time of ``import`` beside a Python that imports nothing, median of 20 processes.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

__all__ = ["main"]

REPOSITORY = Path(__file__).parents[1]
EXTRAS = ("", "cli", "service")
IMPORTS = ("halt400", "halt400.guard", "aiokafka")
STARTS = 20


def _installed(directory: Path, extra: str) -> Path:
    """Install into a new environment; its interpreter."""
    venv.create(directory, with_pip=False)
    python = directory / "bin" / "python"
    wanted = f"{REPOSITORY}[{extra}]" if extra else str(REPOSITORY)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-compile", wanted], check=True)
    return python


def _megabytes(directory: Path) -> tuple[float, int]:
    """Size of what is installed, and the number of distributions."""
    [packages] = directory.glob("lib/python*/site-packages")
    files = [path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return sum(path.stat().st_size for path in files) / 1e6, len(list(packages.glob("*.dist-info")))


def _start_ms(python: Path, code: str) -> float:
    """Processor time of a process that runs `code`: unlike time by the clock, it hardly knows of other processes."""
    times = []
    for _ in range(STARTS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([python, "-I", "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(((after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)) * 1000)
    return statistics.median(times[1:])  # the first one writes bytecode


def main(arguments: list[str]) -> int:
    """Run it."""
    argparse.ArgumentParser(prog="python -m benchmarks install", description=__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for extra in EXTRAS:
            directory = Path(folder) / (extra or "alone")
            python = _installed(directory, extra)
            size, distributions = _megabytes(directory)
            name = f"halt400[{extra}]" if extra else "halt400"
            print(f"{name:<30} {size:6.1f} MB in {distributions} distributions")
            if not extra:
                alone = python
        nothing_ms = _start_ms(alone, "pass")
        print(f"{'Python alone':<30} {nothing_ms:6.0f} ms")
        for module in IMPORTS:
            print(f"import {module:<23} {_start_ms(alone, f'import {module}') - nothing_ms:6.0f} ms more")
    return 0
