"""Fuzz each reader of bytes by coverage (Atheris, libFuzzer), for minutes each, from the corpus that is kept.

Run by ``make fuzz-readers``. What reaches code that the corpus did not is added to it; what crashes, takes over 5 s or
over 1 GiB is printed, written beside the corpus, and ends with code 1. ``done.json`` adds up the minutes and inputs of
each reader. See https://github.com/google/atheris.
"""

import argparse
import importlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ONE_INPUT_S = 5
MOST_MIB = 1024
LONGEST_BYTES = 4096
MOST_KEPT = 100


def main() -> int:
    """Fuzz; 0 where nothing was found."""
    if sys.argv[1:2] == ["--child"]:
        return _child(sys.argv[2], sys.argv[3:])
    readers = importlib.import_module("tests.attacks.readers")
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_readers", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader (10)")
    parser.add_argument("--only", nargs="+", choices=sorted(readers.READERS), help="readers (all)")
    arguments = parser.parse_args()
    codes = [_fuzz(readers, name, arguments.minutes * 60) for name in arguments.only or readers.READERS]
    return int(any(codes))


def _child(name: str, options: list[str]) -> int:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["halt400", "streams"]):
        readers = importlib.import_module("tests.attacks.readers")
    atheris.Setup([name, *options], readers.READERS[name])
    atheris.Fuzz()
    return 0


def _fuzz(readers: Any, name: str, seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="halt400-fuzz-") as directory:
        found, crashes = (Path(directory, part) for part in ("found", "crashes"))
        for path in (found, crashes):
            path.mkdir()
        before = readers.kept(name)
        for number, data in enumerate([*readers.EXAMPLES, *before]):
            (found / str(number)).write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzz_readers", "--child", name]
        limits = [f"-timeout={ONE_INPUT_S}", f"-rss_limit_mb={MOST_MIB}", f"-max_len={LONGEST_BYTES}"]
        limits += [f"-artifact_prefix={crashes}/"]
        run = _run([*command, found, f"-max_total_time={seconds:.0f}", "-print_final_stats=1", *limits])
        for path in crashes.iterdir():
            kept = readers.CORPUS / f"{name}-{path.name}"
            kept.write_bytes(path.read_bytes())
            print(f"{name}: {kept}\n{run.stderr[-3000:]}", flush=True)
        if run.returncode == 0:
            # libFuzzer keeps what reaches further than what it had, and makes it smaller where it can.
            corpus = {path.read_bytes() for path in found.iterdir()} - set(readers.EXAMPLES)
            readers.keep(name, sorted(corpus, key=len)[:MOST_KEPT])
        stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", run.stderr))
        if run.returncode == 0:
            _add(readers.CORPUS / "done.json", name, seconds / 60, int(stats["number_of_executed_units"]))
        now = len(readers.kept(name))
        print(
            f"{name}: {int(stats.get('number_of_executed_units', 0)):,} inputs in {seconds / 60:g} minutes, "
            f"{stats.get('peak_rss_mb', '?')} MiB at the most, corpus {len(before)} -> {now}, "
            + ("nothing found" if run.returncode == 0 else f"ended with {run.returncode}"),
            flush=True,
        )
        return run.returncode


def _add(path: Path, name: str, minutes: float, inputs: int) -> None:
    done: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    before = done.get(name, {"minutes": 0.0, "inputs": 0})
    done[name] = {"minutes": round(before["minutes"] + minutes, 2), "inputs": before["inputs"] + inputs}
    path.write_text(json.dumps(dict(sorted(done.items())), indent=1) + "\n")


def _run(command: list[Any]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", check=False)


if __name__ == "__main__":
    sys.exit(main())
