"""The encoded form of each record on the topic `fleet` is the one that other releases read and write."""

import pytest

from streams.detection import FleetRules, Origin, OriginCounts
from streams.fleet_cap.log import (
    Census,
    ExistingQuarantine,
    FaultReported,
    FleetLog,
    FleetRecord,
    GrantEnded,
    GrantRequest,
    Snapshot,
    decode_fleet_record,
    encode_fleet_record,
)

NOW = 1_700_000_000_000
RULES = FleetRules(share_ratio=0.2, minimum=1, clear_s=60)
FAILING = Origin(release="r1", proxy_pool="eu", client="httpx/0.28", region="fra")
CENSUS = Census(partition=3, active_targets=7, origins=OriginCounts.of([Origin(release="r1")]))
REQUEST = GrantRequest(target="a.example", grant_id="cmd-1", partition=3, rules=RULES, origins=[FAILING])


def snapshot() -> Snapshot:
    """What follows from a census, a grant, a refusal that trips the guard, and the finding's report."""
    log = FleetLog()
    refused = GrantRequest(target="b.example", grant_id="cmd-2", partition=1, rules=RULES)
    records: list[FleetRecord] = [CENSUS, REQUEST, refused, FaultReported(tripped_at=NOW)]
    for offset, record in enumerate(records):
        log.apply(offset, NOW + offset, record)
    return Snapshot(end=log.end, state=log.state)


ENCODED = [
    (
        REQUEST,
        '{"type":"wish","target":"a.example","wish_id":"cmd-1","partition":3,"rules":{"share_ratio":0.2,"minimum":1,'
        '"clear_s":60},"origins":[["r1","eu","httpx/0.28","fra"]]}',
    ),
    (GrantEnded(target="a.example", grant_id="cmd-1"), '{"type":"over","target":"a.example","wish_id":"cmd-1"}'),
    (
        ExistingQuarantine(target="a.example", grant_id="cmd-1", partition=3),
        '{"type":"standing","target":"a.example","wish_id":"cmd-1","partition":3}',
    ),
    (CENSUS, '{"type":"census","partition":3,"active_targets":7,"origins":[1,{"release":{"r1":1}}]}'),
    (
        Census(partition=3, active_targets=7, origins=None),
        '{"type":"census","partition":3,"active_targets":7,"origins":null}',
    ),
    (FaultReported(tripped_at=NOW), '{"type":"told","tripped_at":1700000000000}'),
    (
        snapshot(),
        '{"type":"snapshot","end":4,"state":{"guard":{"held":{"a.example":1700000000001},"refused":{"b.example":'
        '1700000000002},"tripped_at":1700000000002,"refused_at":1700000000002},"places":{"a.example":["cmd-1",3,[["r1",'
        '"eu","httpx/0.28","fra"]]],"b.example":["cmd-2",1,[]]},"census":{"3":[0,{"type":"census","partition":3,'
        '"active_targets":7,"origins":[1,{"release":{"r1":1}}]}]},"clock_ms":1700000000003,"tripped_by":1,'
        '"tripped_at_offset":2,"told_at":1700000000000,"snapshot_at":1700000000000}}',
    ),
]


@pytest.mark.parametrize(("record", "encoded"), [pytest.param(*each, id=type(each[0]).__name__) for each in ENCODED])
def test_a_record_is_encoded_and_decoded_in_this_form(record: FleetRecord, encoded: str) -> None:
    assert encode_fleet_record(record).decode() == encoded
    assert decode_fleet_record(encoded.encode()) == record
