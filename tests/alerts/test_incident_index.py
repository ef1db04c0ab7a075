"""The indices follow from the rows: after any history they are those of a restart."""

import pytest
from hypothesis import given

from halt400.records import Command
from streams.alerts.incident import decode_incident
from streams.alerts.incident_index import IncidentIndex
from streams.detection import Finding
from tests.alerts.examples import T0, TARGET, command, finding, incidents
from tests.alerts.histories import mixed_histories


@pytest.mark.slow
@given(mixed_histories())
def test_the_indices_of_a_history_are_those_of_its_rows(history: list[Command | Finding]) -> None:
    applied = incidents(*history)
    live = applied._index
    loaded = IncidentIndex(decode_incident(row) for _, row in applied.take_changed())
    assert loaded.by_key == live.by_key
    assert loaded.finding_ids == live.finding_ids
    assert {one.key for one in loaded.open_on(TARGET)} == {one.key for one in live.open_on(TARGET)}
    for incident in live.by_key.values():
        assert loaded.has_open_scopes(incident) == live.has_open_scopes(incident) == bool(incident.open_scopes())
    for name in {record.scope.id for record in history if isinstance(record, Command)}:
        assert loaded.sequence(name) == live.sequence(name)
        assert loaded.incident_of(name) == live.incident_of(name)


def test_nothing_is_left_of_an_incident_that_was_removed() -> None:
    index = incidents(command("a"), finding("target_alarm"))._index
    for key in list(index.by_key):
        index.remove(key)
    assert vars(index) == vars(IncidentIndex())


def test_an_incident_that_a_scope_moved_to_keeps_it_when_the_other_is_removed() -> None:
    applied = incidents(command("a"), command("a", sequence=2, cause="schema_violation"))
    applied.remove(f"{TARGET}/malformed_json")
    applied.apply(command("a", "released", sequence=3), T0)
    assert applied.by_key[f"{TARGET}/schema_violation"].closed_at == T0
