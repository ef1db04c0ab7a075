"""Which changes of the read model are which events."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streams import topics
from streams.api.events.hub import EventHub
from streams.api.log_models import OffenceSummary

if TYPE_CHECKING:
    from streams.api.read_model import ReadModel

__all__ = ["EventSources"]


class EventSources:
    """Adds an event to a hub for each change; what was there before the process has caught up is none.

    Parameters
    ----------
    model
        Returns the read model, which is made with these callbacks.
    """

    def __init__(self, hub: EventHub, model: "Callable[[], ReadModel]") -> None:
        self._hub, self._model = hub, model

    def rates(self, names: Sequence[str]) -> None:
        """The counts of targets have changed."""
        self._hub.touch(names)

    def quarantines(self, scope_ids: Sequence[str]) -> None:
        """Scopes have a new command."""
        quarantines = self._model().quarantines
        if not self._hub.is_used or not quarantines.follower.caught_up:
            return
        for scope_id in scope_ids:
            target = scope_id.split("/", 2)[1] if "/" in scope_id else scope_id
            self._hub.add("quarantine", scope_id, lambda scope_id=scope_id: quarantines.get(scope_id), [target])  # type: ignore[misc]

    def incidents(self, keys: Sequence[str]) -> None:
        """Incidents have changed."""
        incidents = self._model().incidents
        if not self._hub.is_used or not incidents.follower.caught_up:
            return
        for key in keys:
            targets = None if key.startswith("fleet/") else [key.partition("/")[0]]
            self._hub.add("incident", key, lambda key=key: incidents.get(key), targets)  # type: ignore[misc]

    def logs(self, topic: str, values: Sequence[Any]) -> None:
        """Records have been written to a log."""
        if not self._hub.is_used:
            return
        for value in values:
            if topic == topics.OFFENCES:
                self._offence(value)
            elif topic == topics.FINDINGS:
                targets = [value.target] if value.target is not None else None
                self._hub.add("finding", value.finding_id, lambda value=value: value, targets)  # type: ignore[misc]
            else:
                key = f"{value.topic}/{value.id}"
                self._hub.add("dead_letter", key, lambda value=value: value, None)  # type: ignore[misc]

    def _offence(self, offence: OffenceSummary) -> None:
        redacted = self._model().logs.redacted
        self._hub.add("offence", offence.id, lambda: redacted(offence), [offence.target])
