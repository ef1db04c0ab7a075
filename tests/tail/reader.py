"""Reads logs by way of a `Watcher` as a tail does, without Kafka, and remembers positions as it would."""

from pathlib import Path

import msgspec

from halt400.tail.followed_file import Truncated
from halt400.tail.state_file import State
from halt400.tail.watcher import RETIRED_S, Watcher

__all__ = ["Reader"]


class Reader:
    """One run after another over the same state; `now_s` is the time that the watcher sees."""

    def __init__(self, *patterns: Path | str, from_start: bool = True, once: bool = False) -> None:
        self._patterns = [str(pattern) for pattern in patterns]
        self._from_start, self._once = from_start, once
        self._state = msgspec.json.encode(State(topic="t"))
        self.now_s = 0.0
        self.lines: list[str] = []
        self.identities: list[tuple[str, int]] = []
        self.told: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin a run with what the last one wrote."""
        self.state = msgspec.json.decode(self._state, type=State)
        self.watcher = Watcher(
            self._patterns,
            self.state,
            from_start=self._from_start,
            once=self._once,
            document=lambda _descriptor: None,
            tell=self.told.append,
        )

    def restart(self) -> None:
        """End the run and begin another."""
        self.watcher.close()
        self.start()

    def read(self, *, most_lines: int = 1000) -> list[str]:
        """Read until there is nothing more; the lines of this call."""
        found: list[str] = []
        while True:
            self.watcher.look(self.now_s)
            batch, truncated = [], False
            for file in list(self.watcher.files):
                is_last = self._once or self.watcher.is_finished(file, self.now_s)
                try:
                    lines = file.read(most_lines, to_the_end=is_last)
                except Truncated:
                    self.watcher.truncated(file)
                    truncated = True
                    break
                for line in lines:
                    self.identities.append((file.position.identity, line.begin))
                    if line.content is None or line.content.strip():
                        batch.append("(too long)" if line.content is None else line.content.decode())
                if lines:
                    self.watcher.grew(file)
                    file.advance(lines[-1].end)
            found += batch
            self._state = msgspec.json.encode(self.state)
            if not batch and not truncated:
                self.watcher.close_finished(self.now_s)
                self._state = msgspec.json.encode(self.state)
                self.lines += found
                return found

    def wait_for_rotated(self) -> None:
        """Let the time pass for which a rotated file is read on."""
        self.now_s += RETIRED_S + 1
