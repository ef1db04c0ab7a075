"""The command line, `halt400 ...`: it needs the extra ``cli``, and says so where that is not installed."""

import logging
import os
import sys

from halt400.errors import Halt400Error

__all__ = ["main"]

UNEXPECTED = 70
"""Exit code of a fault of our own; `halt400 worker` ends with it after any failure."""


def main() -> None:
    """Run the command line; a `Halt400Error` is one line on stderr and exit code 1, another error a line and 70."""
    # Errors say what Kafka's client logs of a broker that does not answer; a command that goes on undoes this.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        from rich.console import Console
        from rich.markup import escape

        from halt400.cli.app import build
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("rich", "typer"):
            raise
        sys.stderr.write(
            "halt400: the command line needs more packages: pip install 'halt400[service]', or 'halt400[cli]' for "
            f"diagnose and tail alone ({error})\n"
        )
        sys.exit(2)
    try:
        build()()
    except Halt400Error as error:
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]halt400:[/] {escape(error.message)} [bold]{escape(error.mend)}[/]".rstrip()
        )
        sys.exit(1)
    except Exception as error:
        if os.environ.get("HALT400_TRACEBACK"):
            raise
        sys.stderr.write(
            f"halt400: unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}. This is a fault of "
            "Halt400: set HALT400_TRACEBACK=1, run it again, and report what it shows.\n"
        )
        sys.exit(UNEXPECTED)
