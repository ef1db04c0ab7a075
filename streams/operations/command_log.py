"""The commands that are still on the topic `control`, in memory: the history of the quarantines."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from halt400.records import UNDECODABLE, Command, Scope

__all__ = ["CommandLog"]

MOST_KEPT = 10_000


class _CommandHead(Struct):
    command_id: str
    scope: Scope
    state: str
    issued_at: int


_decode_head = msgspec.json.Decoder(_CommandHead).decode
_decode = msgspec.json.Decoder(Command).decode


class CommandLog:
    """Keeps the latest commands, not decoded; one that is read again after a lost connection is kept once."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[_CommandHead, bytes]] = OrderedDict()

    def add(self, records: Sequence[Any]) -> None:
        """Keep some records of `control`; what is no command is left out."""
        for record in records:
            try:
                head = _decode_head(record.value or b"")
            except UNDECODABLE:
                continue
            self._known.setdefault(head.command_id, (head, record.value))
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def find(self, matches: Callable[[Scope, str, int], bool]) -> list[Callable[[], Command | None]]:
        """Return the commands that match, the latest first, each as a function that decodes it.

        Parameters
        ----------
        matches
            ``matches(scope, state, issued_at)``.
        """
        found = [
            (head.issued_at, value)
            for head, value in self._known.values()
            if matches(head.scope, head.state, head.issued_at)
        ]
        found.sort(key=lambda item: -item[0])
        return [lambda value=value: _decoded(value) for _, value in found]  # type: ignore[misc]

    def get(self, command_id: str) -> Command | None:
        """Return the command with this id; None where it is not kept."""
        known = self._known.get(command_id)
        return None if known is None else _decoded(known[1])


def _decoded(value: bytes) -> Command | None:
    try:
        return _decode(value)
    except UNDECODABLE:
        return None
