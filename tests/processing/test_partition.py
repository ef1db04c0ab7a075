"""What follows from the response events of one partition, without Kafka."""

from typing import Any

import msgspec
import pytest

from halt400.diagnosis import Profile
from halt400.records import Command, Request, ResponseEvent, Source
from halt400.windows import decode_row, encode_row, window_counts
from streams.processing.partition import Outcome, PartitionState, ProcessingContext, Record

NOW = 1_760_000_000_000
GRACE_MS = 120_000
"""A gate halts this much longer than the hold, so that the probing command can reach it."""


def event(status: int = 200, **changes: Any) -> dict[str, Any]:
    return {
        "id": "e1",
        "time": NOW,
        "target": "api.shop.example",
        "job_id": "extract-099",
        "request": {"method": "POST", "url": "https://api.shop.example/graphql", "body": '{"query": "{ a }", }'},
        "response": {"status": status},
    } | changes


def record(offset: int, value: Any, key: bytes | None = b"api.shop.example", timestamp: int = NOW) -> Record:
    if isinstance(value, dict) and value.get("id") == "e1":
        value = value | {"id": f"e{offset}"}
    encoded = value if isinstance(value, bytes) or value is None else msgspec.json.encode(value)
    return Record(offset, timestamp, key, encoded)


def make_context(**changes: Any) -> ProcessingContext:
    options: dict[str, Any] = {
        "archive_uri": lambda source, target, time_ms: f"file:///a/{target}/{source.offset}",
        "partition_of": lambda key: 0,
        "latest_command": {}.get,
    }
    return ProcessingContext(**options | changes)


def state(recovered: dict[bytes, bytes] | None = None, **changes: Any) -> PartitionState:
    return PartitionState("responses", 0, make_context(**changes), recovered)


def apply(partition: PartitionState, *records: Record, now_ms: int = NOW) -> Outcome:
    return partition.apply(records, now_ms)


def test_every_status_is_counted_in_its_class() -> None:
    partition = state()
    for offset, status in enumerate([200, 204, 400, 401, 403, 404, 422, 429, 500, 503, 301, 418]):
        apply(partition, record(offset, event(status)))
    counted = window_counts(partition.rows()["api.shop.example"], 60, NOW + 1)
    assert counted.classes == {
        "2xx": 2, "3xx": 1, "400": 1, "401": 1, "403": 1, "404": 1, "422": 1, "429": 1, "5xx": 2, "other": 1,
    }  # fmt: skip


def test_the_first_400_of_a_job_gives_one_command_and_every_400_an_offence() -> None:
    outcome = apply(state(), *(record(offset, event(400)) for offset in range(5)))
    (command,) = outcome.commands
    assert command.scope.id == "job/api.shop.example/extract-099"
    assert (command.state, command.retry, command.proxy, command.proxy_blame) == (
        "quarantined",
        "abort",
        "release",
        False,
    )
    assert command.archive_uri == "file:///a/api.shop.example/0"
    assert command.source == Source(topic="responses", partition=0, offset=0)
    assert command.expires_at == NOW + 900_000 + GRACE_MS
    assert [offence.command_id for offence in outcome.offences] == [command.command_id] * 5
    assert [offence.source.offset for offence in outcome.offences] == list(range(5))
    assert [offence.opens for offence in outcome.offences] == [True, False, False, False, False]


def test_each_job_is_halted_by_itself() -> None:
    outcome = apply(state(), *(record(offset, event(400, job_id=f"job-{offset % 3}")) for offset in range(9)))
    assert sorted(command.scope.job_id or "" for command in outcome.commands) == ["job-0", "job-1", "job-2"]
    assert len({command.command_id for command in outcome.commands}) == 3


def test_the_same_cause_gives_the_same_command_id() -> None:
    first, second = (apply(state(), record(7, event(400)), now_ms=NOW + later).commands[0] for later in (0, 5000))
    assert first.command_id == second.command_id
    assert first.command_id != apply(state(), record(8, event(400))).commands[0].command_id


def test_a_quarantine_that_another_worker_opened_is_not_opened_again() -> None:
    known = apply(state(), record(3, event(400))).commands[0]
    outcome = apply(state(latest_command=lambda scope_id: known), record(3, event(400)))
    assert outcome.commands == []
    assert outcome.offences[0].command_id == known.command_id
    assert outcome.offences[0].opens, "the command points to this evidence, whoever issued it"
    other = apply(state(latest_command=lambda scope_id: known), record(4, event(400)))
    assert not other.offences[0].opens


def test_a_400_after_the_hold_opens_a_new_quarantine_with_a_higher_sequence() -> None:
    partition = state()
    apply(partition, record(0, event(400)))
    later = NOW + 900_000 + GRACE_MS
    (command,) = apply(partition, record(1, event(400, time=later), timestamp=later), now_ms=later).commands
    assert command.sequence == 2
    again = apply(partition, record(2, event(400, time=later), timestamp=later), now_ms=later)
    assert not again.offences[0].opens


def test_an_old_400_is_evidence_and_opens_nothing() -> None:
    outcome = apply(state(), record(0, event(400, time=NOW - 900_001)))
    assert outcome.commands == []
    assert outcome.offences[0].command_id is None


def test_records_that_were_applied_are_skipped() -> None:
    partition = state()
    records = [record(offset, event(400 if offset == 2 else 200)) for offset in range(4)]
    apply(partition, *records)
    assert not apply(partition, *records)
    assert partition.rows()["api.shop.example"].totals()["responses"] == 4


def test_records_that_a_recovered_row_includes_are_skipped() -> None:
    before = state()
    apply(before, *(record(offset, event(400)) for offset in range(4)))
    recovered = dict(before.take_changed())
    after = state(recovered)
    outcome = apply(after, *(record(offset, event(400)) for offset in range(6)))
    assert [offence.source.offset for offence in outcome.offences] == [4, 5]
    assert after.rows()["api.shop.example"].totals()["400"] == 6


def test_only_changed_rows_are_taken_and_once() -> None:
    partition = state({b"idle.example": encode_row(next(iter(state_with_one_row().rows().values())))})
    apply(partition, record(9, event()))
    assert [key for key, _ in partition.take_changed()] == [b"api.shop.example"]
    assert partition.take_changed() == []
    assert set(partition.rows()) == {"idle.example", "api.shop.example"}


def state_with_one_row() -> PartitionState:
    partition = state()
    apply(partition, record(0, event()))
    return partition


def test_an_event_from_the_future_is_placed_by_its_kafka_timestamp_and_counted_as_skewed() -> None:
    partition = state()
    apply(partition, record(0, event(time=NOW + 3_600_000)), record(1, event(time=NOW + 29_000)))
    row = partition.rows()["api.shop.example"]
    assert row.skewed == 1
    assert window_counts(row, 60, NOW + 1).responses == 1
    assert window_counts(row, 60, NOW + 29_001).responses == 2


REFUSED = {
    "not_json": [b"", b"{", b"GET / HTTP/1.1", b"\xff\xfe", b'{"target": "api.shop.example"', b"[" * 100_000],
    "null_value": [None],
    "invalid_event": [
        b"[]",
        b"null",
        b'"text"',
        event(target=""),
        {key: value for key, value in event().items() if key != "target"},
        {key: value for key, value in event().items() if key != "job_id"},
        event(99),
        event(600),
        event(time="yesterday"),
        event(time=-1),
        event(response={}),
        event(response={"status": "400"}),
        event(version=2),
        event(400, request={"url": "https://x/"}),
        event(400, attempt=0),
        event(target="x" * 256),
    ],
    "key_mismatch": [event(target="other.example"), event(target="api.shop.examplE")],
}


@pytest.mark.parametrize(("code", "value"), [(code, value) for code, values in REFUSED.items() for value in values])
def test_an_invalid_event_is_refused_with_a_reason_and_not_counted(code: str, value: Any) -> None:
    partition = state()
    outcome = apply(partition, record(0, value), record(1, event(200)))
    (refusal,) = outcome.refusals
    assert refusal.code == code
    assert refusal.message
    assert refusal.record.offset == 0
    assert partition.rows()["api.shop.example"].totals()["responses"] == 1


@pytest.mark.parametrize("target", ["a/b", " a", "a\n", "a\x00b"])
def test_a_target_that_no_scope_could_name_is_refused(target: str) -> None:
    (refusal,) = apply(state(), record(0, event(target=target), key=target.encode())).refusals
    assert refusal.code == "invalid_target"


def test_a_key_that_is_null_or_in_the_wrong_partition_is_refused() -> None:
    assert apply(state(), record(0, event(), key=None)).refusals[0].code == "key_mismatch"
    wrong = apply(state(partition_of=lambda key: 3), record(0, event())).refusals[0]
    assert wrong.code == "wrong_partition"
    assert "belongs to partition 3" in wrong.message


def test_fields_that_we_do_not_know_are_accepted() -> None:
    outcome = apply(state(), record(0, event(400, shard=7, response={"status": 400, "via": ["a"]})))
    assert not outcome.refusals
    assert len(outcome.commands) == 1


def test_a_command_survives_encoding() -> None:
    command = apply(state(), record(0, event(400))).commands[0]
    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command


def test_profiles_learn_from_successes_with_headers_and_are_part_of_the_row() -> None:
    seen: list[Any] = []

    def diagnose(found: ResponseEvent, profile: Profile | None, ratio: float | None) -> None:
        seen.append((profile, ratio))

    good = event(request={"method": "GET", "url": "https://api.shop.example/a/7", "headers": [["X-Client", "7"]]})
    before = state(diagnose=diagnose)
    for offset in range(3):
        apply(before, record(offset, good))
    apply(before, record(3, event()))
    after = state(dict(before.take_changed()), diagnose=diagnose)
    apply(after, record(4, event(400)))
    ((profile, ratio),) = seen
    assert profile is not None
    assert profile.template_for(Request(method="GET", url="https://api.shop.example/a/9")).presence("x-client") == 1.0
    assert ratio == 1 / 5


def test_a_fold_adds_few_requests_to_profiles_so_that_counting_stays_fast() -> None:
    good = event(request={"method": "GET", "url": "https://api.shop.example/a/7", "headers": [["X-Client", "7"]]})
    partition = state()
    apply(partition, *(record(offset, good) for offset in range(100)))
    row = partition.rows()["api.shop.example"]
    assert row.totals()["responses"] == 100
    (profile,) = [
        msgspec.msgpack.decode(decode_row(value).profile, type=Profile) for _, value in partition.take_changed()
    ]
    assert profile.template_for(Request(method="GET", url="https://api.shop.example/a/9")).successes == 2
