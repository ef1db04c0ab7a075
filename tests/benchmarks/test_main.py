"""Every benchmark is found by its name; a package that is missing is one line that says how to install it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASUREMENTS, PARTS, main

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_module_with_a_main_can_be_run() -> None:
    modules = [*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("*/__init__.py")]
    found = [path for path in modules if "\ndef main(" in path.read_text()]
    runnable = {path.parent.name if path.name == "__init__.py" else path.stem for path in found}
    assert runnable - {"__main__"} == {*MEASUREMENTS, *PARTS}


@pytest.mark.parametrize("name", MEASUREMENTS + PARTS)
def test_a_benchmark_says_how_it_is_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "detection" and not (find_spec("numpy") and find_spec("river")):
        pytest.skip("needs the extra bench: pip install -e '.[bench]'")
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m benchmarks {name} ")


def test_without_a_known_name_the_names_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["events"]) == 2
    assert "throughput" in capsys.readouterr().err


def test_a_missing_package_is_one_line_that_says_how_to_install_it() -> None:
    """In a process of its own, in which numpy cannot be imported."""
    script = (
        "import sys; sys.modules['numpy'] = None; from benchmarks.__main__ import main; sys.exit(main(['detection']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BENCHMARKS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs numpy" in done.stderr
    assert "pip install -e '.[bench]'" in done.stderr
