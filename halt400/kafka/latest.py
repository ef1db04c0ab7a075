"""The latest value of every key, from records in the order of the log. Pure."""

from collections.abc import Callable, Iterable, Mapping

__all__ = ["Changes", "LatestValues"]

Changes = Mapping[bytes, bytes | None]
"""What one poll changed: key -> new value, ``None`` where the key was deleted."""


class LatestValues:
    """Reduces records to the latest value per key.

    Parameters
    ----------
    newer
        ``newer(old, new) -> bool``: whether `new` replaces `old`; default: always. A delete always wins.

    Attributes
    ----------
    values
        The latest value per key; it stays the same object.
    """

    def __init__(self, newer: Callable[[bytes, bytes], bool] | None = None) -> None:
        self.values: dict[bytes, bytes] = {}
        self._newer = newer
        self._fresh: dict[bytes, bytes] | None = None

    @property
    def is_reloading(self) -> bool:
        """Whether the log is read again; `values` stay as they are until that is done."""
        return self._fresh is not None

    def apply(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> Changes:
        """Apply pairs of key and value in the order of the log, and return what changed in `values`."""
        values = self.values if self._fresh is None else self._fresh
        newer = self._newer
        changes: dict[bytes, bytes | None] = {}
        for key, value in records:
            if key is None:
                continue
            if value is None:
                if values.pop(key, None) is not None:
                    changes[key] = None
                continue
            if newer is not None and (old := values.get(key)) is not None and not newer(old, value):
                continue
            values[key] = value
            changes[key] = value
        return changes if self._fresh is None else {}

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop keys without reporting a change; they come back when they are written again."""
        for key in keys:
            self.values.pop(key, None)

    def begin_reload(self) -> None:
        """Start to collect values again, from the beginning of the log."""
        self._fresh = {}

    def end_reload(self) -> Changes:
        """Replace `values` by what was collected, and return what that changed."""
        fresh, self._fresh = self._fresh, None
        if fresh is None:
            return {}
        changes: dict[bytes, bytes | None] = {
            key: value for key, value in fresh.items() if self.values.get(key) != value
        }
        gone = self.values.keys() - fresh.keys()
        changes.update(dict.fromkeys(gone))
        for key in gone:
            del self.values[key]
        self.values.update(fresh)
        return changes
