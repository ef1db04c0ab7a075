"""Make docs/images/run.svg from a real run: ``python docs/images/record_run.py``; the README shows the same lines."""

import sys
from pathlib import Path

from rich.console import Console

from streams.cli.run import show

sys.argv[0] = ".venv/bin/halt400"  # what `make run` calls
console = Console(record=True, width=144)
console.print("[dim]$[/] make run")
if not show(console, stay=False):
    raise SystemExit("not every step was seen: the picture is left as it is")
console.save_svg(str(Path(__file__).with_name("run.svg")), title="halt400 run")
