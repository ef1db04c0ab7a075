"""Records with several events: what follows from them is what follows from the same events one by one."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halt400.records import Command
from streams.archive.object_names import object_key
from streams.processing.partition import Outcome, PartitionState, Record

from .test_partition import NOW, event, state

TARGETS = ("api.shop.example", "other.example", "third.example")
SPOILED: dict[str, bytes] = {
    "invalid_event": b'{"id": "x", "time": -1}',
    "key_mismatch": msgspec.json.encode(event(target="a/b")),
}


def envelope(offset: int, values: Iterable[Any]) -> Record:
    parts = [value if isinstance(value, bytes) else msgspec.json.encode(value) for value in values]
    return Record(offset, NOW, None, b"[" + b", ".join(parts) + b"]")


def events_of(picks: Iterable[tuple[int, int, int]]) -> list[dict[str, Any]]:
    return [
        event(status, id=f"event-{number}", target=TARGETS[target], job_id=f"job-{job}", time=NOW - 100 + number)
        for number, (target, job, status) in enumerate(picks)
    ]


def counts(partition: PartitionState) -> dict[str, dict[str, int]]:
    return {name: row.totals() for name, row in partition.rows().items()}


def scopes(commands: Iterable[Command]) -> list[tuple[str, str, int]]:
    return [(command.scope.id, command.state, command.sequence) for command in commands]


PICKS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([200, 200, 400, 404])), min_size=1)


@settings(max_examples=40)
@given(PICKS, st.data())
def test_what_follows_is_what_follows_from_the_same_events_one_by_one(
    picks: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    events = events_of(picks)
    alone, together = state(), state()
    wanted = alone.apply(
        [Record(number, NOW, one["target"].encode(), msgspec.json.encode(one)) for number, one in enumerate(events)],
        NOW,
    )
    records, places = [], []
    left, offset = events, 0
    while left:
        size = data.draw(st.integers(1, len(left)))
        single = size == 1 and data.draw(st.booleans())
        some, left = left[:size], left[size:]
        records.append(
            Record(offset, NOW, some[0]["target"].encode(), msgspec.json.encode(some[0]))
            if single
            else envelope(offset, some)
        )
        places += [(offset, index) for index in range(size)]
        offset += 1
    found = together.apply(records, NOW)
    assert counts(together) == counts(alone)
    assert scopes(found.commands) == scopes(wanted.commands)
    assert [one.event.id for one in found.offences] == [one.event.id for one in wanted.offences]
    assert [one.opens for one in found.offences] == [one.opens for one in wanted.offences]
    assert [(one.source.offset, one.source.index) for one in found.offences] == [
        places[one.source.offset] for one in wanted.offences
    ]
    assert len({object_key(one.source, one.target, 0) for one in found.offences}) == len(found.offences)
    assert not found.refusals
    assert together.events == len(events)


def test_one_event_that_cannot_be_counted_is_refused_by_itself_with_its_place() -> None:
    partition = state()
    values = [event(200, id="a"), *SPOILED.values(), b"7", event(400, id="b"), event(400, id="c", request=None)]
    outcome = partition.apply([envelope(7, values)], NOW)
    assert counts(partition)["api.shop.example"]["responses"] == 2
    assert [(one.code, one.record.index) for one in outcome.refusals] == [
        ("invalid_event", 1),
        ("invalid_event", 3),
        ("invalid_target", 2),
        ("invalid_event", 5),
    ]
    assert [one.record.value for one in outcome.refusals[:3]] == [values[1], values[3], values[2]]
    assert msgspec.json.decode(outcome.refusals[3].record.value) == values[5]
    assert {one.record.offset for one in outcome.refusals} == {7}
    assert [one.source.index for one in outcome.offences] == [4]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"[", "not_json"),
        (b"[{]", "not_json"),
        (b"[]", "invalid_event"),
        (b"[" + b"{}," * 10_000 + b"{}]", "invalid_event"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_an_array_that_is_none_is_refused_as_a_whole(value: bytes, code: str) -> None:
    partition = state()
    outcome = partition.apply([Record(0, NOW, None, value), envelope(1, [event(200)])], NOW)
    assert [one.code for one in outcome.refusals] == [code]
    assert outcome.refusals[0].record.value == value
    assert counts(partition)["api.shop.example"]["responses"] == 1


def test_an_event_of_another_partition_is_refused_by_itself() -> None:
    partition = state(partition_of=lambda key: int(key == b"other.example"))
    outcome = partition.apply([envelope(0, [event(200), event(200, id="o", target="other.example")])], NOW)
    (refusal,) = outcome.refusals
    assert (refusal.code, refusal.record.index, refusal.record.key) == ("wrong_partition", 1, b"other.example")
    assert list(counts(partition)) == ["api.shop.example"]


def test_a_record_that_is_read_again_changes_nothing_whatever_was_durable_before() -> None:
    """The worker died after the rows of one target, and the first of the commands, were on the broker."""
    records = [envelope(offset, events_of([(n % 3, n % 2, 400 if n % 5 == 0 else 200) for n in range(20)]))
               for offset in range(3)]  # fmt: skip
    first = state()
    wanted = first.apply(records, NOW)
    rows = dict(first.take_changed())
    for durable in range(len(wanted.commands) + 1):
        known = {command.scope.id: command for command in wanted.commands[:durable]}
        again = state({b"other.example": rows[b"other.example"]}, latest_command=known.get)
        found = again.apply(records, NOW)
        assert counts(again) == counts(first)
        issued = {command.command_id for command in (*wanted.commands[:durable], *found.commands)}
        assert issued >= {command.command_id for command in wanted.commands if command.scope.target != "other.example"}
        assert issued <= {command.command_id for command in wanted.commands}


def test_a_success_with_headers_teaches_the_profile() -> None:
    partition = state()
    headers = {"method": "GET", "url": "https://api.shop.example/v1", "headers": [["Host", "api.shop.example"]]}
    partition.apply([envelope(0, [event(200), event(200, id="h", request=headers)])], NOW)
    (target,) = partition.loaded_targets()
    assert target.profile is not None


def test_outcomes_of_time_include_the_whole_record() -> None:
    partition = state()
    opened: Outcome = partition.apply([envelope(0, [event(400, id="a"), event(200, id="b")])], NOW)
    (command,) = opened.commands
    assert (command.responses_offset, command.responses_index) == (0, 0)
    later = command.expires_at + 1
    (probing,) = partition.tick(later).commands
    assert (probing.responses_offset, probing.responses_index) == (0, None)
