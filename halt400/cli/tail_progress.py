"""What `halt400 tail` shows on standard error: a line that moves on a terminal, a line a minute elsewhere."""

import asyncio
import sys

from rich.console import Console
from rich.status import Status

from halt400.start_stop import Closing
from halt400.tail import TailStats

__all__ = ["TailProgress"]

_MOVES_S = 0.25
_LOGS_S = 60.0


class TailProgress(Closing):
    """Shows counts, and lines for a person between them; the last counts when it is closed."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._status: Status | None = None
        self._stats = TailStats()
        self._shown = ""

    def tell(self, line: str) -> None:
        """Print a line."""
        text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
        self._console.print(text, style="yellow", markup=False)

    async def show(self, stats: TailStats) -> None:
        """Show the counts until cancelled."""
        self._stats = stats
        moves = sys.stderr.isatty()
        if moves:
            self._status = self._console.status(_text(stats))
            self._status.start()
        while True:
            await asyncio.sleep(_MOVES_S if moves else _LOGS_S)
            if self._status is not None:
                self._status.update(_text(stats))
            else:
                self._print()

    def close(self) -> None:
        """Print the last counts."""
        if self._status is not None:
            self._status.stop()
        self._print()

    def _print(self) -> None:
        text = _text(self._stats)
        if text != self._shown:
            self._shown = text
            self._console.print(text, markup=False)


def _text(stats: TailStats) -> str:
    parts = [f"{stats.lines:,} lines read", f"{stats.published:,} published, {stats.bad_requests:,} of them 400s"]
    if stats.unread:
        parts.append(f"{stats.unread:,} cannot be read")
    parts.append(f"{stats.behind_bytes:,} bytes behind")
    return "; ".join(parts)
