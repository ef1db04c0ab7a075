"""In the worker, every 400 has its diagnosis, made with the profile of its target."""

import msgspec

from benchmarks.events import generate
from halt400.records import Request, Response, ResponseEvent
from streams.detection import Policies
from streams.processing.build_context import build_context
from streams.processing.decoding import Record
from streams.processing.partition import PartitionState
from streams.settings import Settings

NOW = 1_760_000_000_000
HEADERS = [("Host", "api.shop.example"), ("X-Client-Id", "7"), ("Accept", "*/*")]


def partition(recovered: dict[bytes, bytes] | None = None) -> PartitionState:
    rules = build_context(
        Settings(),
        partition_of=lambda key: 0,
        latest_command=lambda scope_id: None,
        policies=Policies,
        is_granted=lambda target, grant_id: False,
    )
    return PartitionState("responses", 0, rules, recovered)


def record(offset: int, status: int, headers: list[tuple[str, str]]) -> Record:
    event = ResponseEvent(
        id=f"e{offset}",
        time=NOW + offset,
        target="api.shop.example",
        job_id="extract-099",
        request=Request(method="GET", url=f"https://api.shop.example/orders/{offset}", headers=headers),
        response=Response(status=status),
    )
    return Record(offset, event.time, b"api.shop.example", msgspec.json.encode(event))


def test_every_offence_and_every_command_carries_a_diagnosis():
    state, offences, commands = partition(), [], []
    events = generate(2_000, targets=5, bad_request_ratio=0.1, start_ms=NOW)
    for offset, generated in enumerate(events):
        outcome = state.apply([Record(offset, NOW + offset, generated.key, generated.value)], NOW + offset)
        offences += outcome.offences
        commands += outcome.commands
    assert len(offences) > 150
    assert commands
    for diagnosis in [offence.diagnosis for offence in offences] + [command.diagnosis for command in commands]:
        assert diagnosis is not None
        assert (diagnosis.cause, diagnosis.blame) == ("malformed_json", "request")
        assert diagnosis.evidence[0].offset is not None
        assert diagnosis.figures is not None
        assert 0 < (diagnosis.figures.malformed_payload_ratio or 0) <= 1


def test_a_field_of_every_good_request_is_reported_missing_after_a_restart_too():
    before = partition()
    for offset in range(4):
        before.apply([record(offset, 200, HEADERS)], NOW + offset)
    after = partition(dict(before.take_changed()))
    for state in (before, after):
        outcome = state.apply([record(10, 400, [HEADERS[0], HEADERS[2]])], NOW + 10)
        (diagnosis,) = [offence.diagnosis for offence in outcome.offences]
        assert diagnosis is not None
        assert (diagnosis.cause, diagnosis.evidence[0].name) == ("missing_required_header", "X-Client-Id")
        assert diagnosis.figures is not None
        assert diagnosis.figures.header_mismatch == 0.2
        assert [command.diagnosis for command in outcome.commands] == [diagnosis]
