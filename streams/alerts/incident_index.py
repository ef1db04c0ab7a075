"""The incidents of one partition, and the indices by which they are found. Pure.

Every index follows from the rows and is kept here only: `add` derives it from a row, `set_scope` keeps it while a scope
changes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streams.alerts.incident import Incident, ScopeState
from streams.alerts.incident_updates import close_absorbed

__all__ = ["IncidentIndex"]


class _ScopePlace(NamedTuple):
    """The incident that has the latest command of a scope, and that command's sequence."""

    key: str
    sequence: int


class IncidentIndex:
    """Incidents by key, by target and by scope.

    Attributes
    ----------
    by_key
        Every incident, closed ones too.
    finding_ids
        Ids of the findings that were applied.
    """

    def __init__(self, rows: Iterable[Incident] = ()) -> None:
        self.by_key: dict[str, Incident] = {}
        self.finding_ids: set[str] = set()
        self._by_target: dict[str, dict[str, Incident]] = {}
        self._places: dict[str, _ScopePlace] = {}
        self._open_scopes: dict[str, int] = {}
        for incident in rows:
            self.add(incident)

    def add(self, incident: Incident) -> None:
        """Add an incident, or index one anew after its episode has changed."""
        self.by_key[incident.key] = incident
        self._by_target.setdefault(incident.target, {})[incident.key] = incident
        self.finding_ids.update(incident.finding_ids)
        self._open_scopes[incident.key] = len(incident.open_scopes())
        for name in incident.scopes:
            self._place(incident, name)

    def remove(self, key: str) -> None:
        """Remove an incident."""
        incident = self.by_key.pop(key)
        on_target = self._by_target[incident.target]
        del on_target[key]
        if not on_target:
            del self._by_target[incident.target]
        self.finding_ids.difference_update(incident.finding_ids)
        del self._open_scopes[key]
        for name in incident.scopes:
            if name in self._places and self._places[name].key == key:
                del self._places[name]

    def set_scope(self, incident: Incident, name: str, scope: ScopeState) -> None:
        """Set the state of one scope of an incident."""
        was_open = incident.has_open(name)
        incident.scopes[name] = scope
        self._open_scopes[incident.key] += incident.has_open(name) - was_open
        self._place(incident, name)

    def close_absorbed(self, incident: Incident, into: str, closed_at: int) -> None:
        """Close an incident whose open scopes another has taken over, and is the place of by now."""
        close_absorbed(incident, into, closed_at)
        self._open_scopes[incident.key] = 0
        for name in incident.scopes:
            self._place(incident, name)

    def sequence(self, name: str) -> int:
        """The sequence of the latest command of a scope, 0 where none is known."""
        place = self._places.get(name)
        return place.sequence if place is not None else 0

    def incident_of(self, name: str) -> Incident | None:
        """The incident that has the latest command of a scope."""
        place = self._places.get(name)
        return self.by_key.get(place.key) if place is not None else None

    def open_on(self, target: str) -> list[Incident]:
        """The open incidents on a target."""
        return [incident for incident in self._by_target.get(target, {}).values() if incident.closed_at is None]

    def has_open_scopes(self, incident: Incident) -> bool:
        """Whether any scope of the incident's episode is open, without a walk over all of them."""
        return self._open_scopes[incident.key] > 0

    def _place(self, incident: Incident, name: str) -> None:
        sequence, known = incident.scopes[name].sequence, self._places.get(name)
        # A scope that was moved has one sequence in two rows, and is open in the row that it moved to.
        if known is None or sequence > known.sequence or (sequence == known.sequence and incident.has_open(name)):
            self._places[name] = _ScopePlace(incident.key, sequence)
