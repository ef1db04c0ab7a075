"""The incidents of every partition, followed on the compacted topic `alerts`, and what each sink was sent of them."""

import logging
from collections.abc import Callable

from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Changes
from halt400.records import UNDECODABLE
from streams.alerts.alerts_topic import ACKNOWLEDGEMENT_PREFIX, follow_alerts
from streams.alerts.incident import Incident, decode_incident
from streams.api.log_models import IncidentSummary, SentAlert
from streams.api.shown_texts import ShownTexts
from streams.savings import SavingsBook

__all__ = ["IncidentBook"]

log = logging.getLogger(__name__)

MOST_SCOPES = 100
_ACKNOWLEDGEMENT = ACKNOWLEDGEMENT_PREFIX.encode()


class IncidentBook:
    """Follows `alerts`; a row is decoded when it is asked for.

    Parameters
    ----------
    savings
        Counts of the requests that gates did not send.
    texts
        Removes secrets from reasons and diagnoses.
    on_new
        Called with the keys of the incidents that have changed.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        *,
        savings: SavingsBook,
        texts: ShownTexts,
        on_new: Callable[[list[str]], None] = lambda keys: None,
    ) -> None:
        self.follower = follow_alerts(kafka, on_changes=self._on_changes)
        self._savings, self._texts, self._on_new = savings, texts, on_new
        self._decoded: dict[bytes, tuple[bytes, Incident | None]] = {}

    def get(self, key: str) -> IncidentSummary | None:
        """Return one incident; None where there is none."""
        incident = self._incident(key.encode(errors="replace"))
        return None if incident is None else self.shown(incident)

    def find(self, *, is_open: bool | None, target: str | None, cause: str | None) -> list[Incident]:
        """Return the incidents that match, the one that opened last first."""
        found = [
            incident
            for incident in self._all()
            if (is_open is None or (incident.closed_at is None) == is_open)
            and (target is None or incident.target == target)
            and (cause is None or incident.cause == cause)
        ]
        found.sort(key=lambda incident: (-incident.opened_at, incident.key))
        return found

    def sent(self, *, target: str | None, sink: str | None, undelivered: bool | None) -> list[SentAlert]:
        """Return what each sink was sent last of each incident, the newest first."""
        found = [
            alert
            for incident in self._all()
            if target is None or incident.target == target
            for alert in _sent(incident)
            if (sink is None or alert.sink == sink) and (undelivered is None or alert.undelivered == undelivered)
        ]
        found.sort(key=lambda alert: (-alert.at, alert.incident, alert.sink))
        return found

    def _all(self) -> list[Incident]:
        return [found for key in list(self.follower.values) if (found := self._incident(key)) is not None]

    def _incident(self, key: bytes) -> Incident | None:
        value = self.follower.values.get(key)
        if value is None or key.startswith(_ACKNOWLEDGEMENT):
            return None
        known = self._decoded.get(key)
        if known is not None and known[0] is value:
            return known[1]
        try:
            incident = decode_incident(value)
        except UNDECODABLE as error:
            log.error("Skipped row %r of %s: not a valid incident: %s", key, self.follower.topic, error)
            incident = None
        self._decoded[key] = value, incident
        return incident

    def shown(self, incident: Incident) -> IncidentSummary:
        """Return an incident as the API shows it."""
        episode, lead = incident.episode_scopes(), incident.lead
        scopes, texts = list(incident.open_scopes()), self._texts
        diagnosis = lead.diagnosis if lead is not None else None
        return IncidentSummary(
            key=incident.key,
            target=incident.target,
            cause=incident.cause,
            opened_at=incident.opened_at,
            episode=incident.episode,
            closed_at=incident.closed_at,
            closed_by=incident.closed_by,
            closing_reason=incident.closing_reason,
            acknowledged=incident.acknowledged,
            open_scopes=len(scopes),
            jobs=len(incident.jobs()),
            scopes=scopes[:MOST_SCOPES],
            expires_at=incident.expires_at,
            reason=texts.text(lead.reason) if lead is not None else None,
            diagnosis=texts.diagnosis(diagnosis) if diagnosis is not None else None,
            archive_uri=lead.archive_uri if lead is not None else None,
            findings=[active.finding for active in incident.findings.values()],
            not_sent=self._savings.not_sent([(name, scope.opened_at) for name, scope in episode.items()]),
            sent=_sent(incident),
        )

    def _on_changes(self, changes: Changes) -> None:
        for key, value in changes.items():
            if value is None:
                self._decoded.pop(key, None)
        self._on_new([key.decode(errors="replace") for key in changes if not key.startswith(_ACKNOWLEDGEMENT)])


def _sent(incident: Incident) -> list[SentAlert]:
    return [
        SentAlert(
            incident=incident.key,
            target=incident.target,
            cause=incident.cause,
            sink=sink,
            route=sent.route,
            action=sent.action,
            severity=sent.severity,
            first_at=sent.first_at,
            at=sent.at,
            acknowledged=sent.acknowledged,
            undelivered=sent.undelivered,
        )
        for sink, sent in sorted(incident.last_sent.items())
    ]
