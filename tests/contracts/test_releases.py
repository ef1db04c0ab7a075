"""What every release so far has written is read by this one, with nothing of it lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from halt400.records import Command, Offence, Operation, ResponseEvent, Savings
from halt400.windows import decode_row
from streams.alerts.incident import decode_incident
from streams.alerts.incidents import Incidents
from streams.detection import Finding
from streams.fleet_cap import log as fleet_log
from streams.processing.partition import PartitionState
from streams.processing.target import TrackedTarget
from tests.contracts.release_records import RELEASES, StoredRecord, records
from tests.processing.test_partition import make_context

FILES = sorted(RELEASES.glob("*.jsonl"))
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "responses": msgspec.json.Decoder(ResponseEvent).decode,
    "control": msgspec.json.Decoder(Command).decode,
    "offences": msgspec.json.Decoder(Offence).decode,
    "operations": msgspec.json.Decoder(Operation).decode,
    "findings": msgspec.json.Decoder(Finding).decode,
    "savings": msgspec.json.Decoder(Savings).decode,
    "alerts": decode_incident,
    "fleet": fleet_log.decode_fleet_record,
}


def stored(path: Path) -> list[StoredRecord]:
    decode = msgspec.json.Decoder(StoredRecord).decode
    return [decode(line) for line in path.read_bytes().splitlines()]


def includes(found: Any, written: Any) -> bool:
    """Whether everything that was written is in what was read; what a later release adds is no matter."""
    if isinstance(written, dict):
        return isinstance(found, dict) and all(
            name in found and includes(found[name], value) for name, value in written.items()
        )
    if isinstance(written, list):
        return len(found) == len(written) and all(map(includes, found, written))
    return bool(found == written)


def test_there_are_records_of_every_topic_of_the_first_release() -> None:
    assert {one.topic for one in stored(RELEASES / "0.1.0.jsonl")} == {*DECODERS, "rates"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_records_of_a_release_are_read_whole(path: Path) -> None:
    for one in stored(path):
        if one.topic != "rates":
            _, value = one.data()
            read = msgspec.to_builtins(DECODERS[one.topic](value))
            written = {name: field for name, field in msgspec.json.decode(value).items() if field is not None}
            assert includes(read, written), (one.topic, written, read)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rows_of_a_release_are_read_with_their_counts_and_their_quarantines(path: Path) -> None:
    rows = [one for one in stored(path) if one.topic == "rates"]
    assert rows
    recovered = dict(one.data() for one in rows)
    partition = PartitionState("responses", 0, make_context(), recovered)
    for one in rows:
        key, value = one.data()
        assert {name: count for name, count in decode_row(value).totals().items() if name in one.totals} == one.totals
        target = TrackedTarget.decode(value, key.decode())
        halted = {scope_id for scope_id, quarantine in target.state.scopes.items() if quarantine.command is not None}
        commands = [DECODERS["control"](other.data()[1]) for other in stored(path) if other.topic == "control"]
        issued = {command.scope.id for command in commands if command.scope.target == key.decode()}
        assert halted
        assert halted <= issued
    assert partition.rows().keys() == {key.decode() for key, _ in (one.data() for one in rows)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_incidents_of_a_release_go_on(path: Path) -> None:
    rows = [decode_incident(one.data()[1]) for one in stored(path) if one.topic == "alerts"]
    found = Incidents(0, rows)
    assert found.by_key.keys() == {row.key for row in rows}
    assert any(incident.closed_at is None for incident in found.by_key.values())


def test_what_this_release_writes_has_the_topics_of_the_stored_ones() -> None:
    assert {one.topic for one in records()} == {*DECODERS, "rates"}
