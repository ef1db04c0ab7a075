"""Rows of the topic `alerts` and notifications keep their encoded form: other versions and webhooks read them."""

import json
from typing import Any

import msgspec

from streams.alerts.compose import compose
from streams.alerts.incident import Acknowledgement, decode_incident, encode_incident
from streams.alerts.notification import decode_notification, last_sent_after
from streams.alerts.routing import PlannedDelivery, Route
from streams.quarantine.not_sent import NotSent
from tests.alerts.examples import MINUTE, T0, command, finding, incidents, only

ROW: dict[str, Any] = {
    "key": "api.shop.example/malformed_json",
    "partition": 3,
    "target": "api.shop.example",
    "cause": "malformed_json",
    "lead": {
        "version": 1,
        "command_id": "cmd-target/api.shop.example-1",
        "scope": {"kind": "target", "target": "api.shop.example"},
        "sequence": 1,
        "state": "quarantined",
        "retry": "abort",
        "proxy": "release",
        "proxy_blame": False,
        "reason": "400 Bad Request to POST of job None on api.shop.example",
        "issued_by": "halt400.detect",
        "opened_at": 1763870400000,
        "issued_at": 1763870400000,
        "expires_at": 1763871300000,
        "source": None,
        "diagnosis": {
            "cause": "malformed_json",
            "blame": "request",
            "confidence": 0.98,
            "remedy": "Close the object: a brace is missing at the end of the body.",
            "evidence": [{"where": "body", "detail": "unexpected end", "line": 3, "column": 7, "excerpt": '{"sku": 1'}],
        },
        "windows": [
            {
                "window_s": 3600,
                "start": 1763866800000,
                "end": 1763870400000,
                "responses": 7200,
                "bad_requests": 12,
                "bad_request_ratio": 0.0016666666666666668,
            }
        ],
        "archive_uri": "file:///var/lib/halt400/api.shop.example/1.har",
        "signature": "ffffffffffffffffffffffffffffffff",
        "severity": None,
        "responses_offset": None,
        "responses_index": None,
        "operations_offset": None,
    },
    "opened_at": 1763870400000,
    "revision": 1,
    "acknowledged": {"by": "alice", "at": 1763870400001},
    "scopes": {
        "target/api.shop.example": {
            "kind": "target",
            "sequence": 1,
            "state": "quarantined",
            "opened_at": 1763870400000,
            "expires_at": 1763871300000,
            "changed_at": 1763870400000,
            "episode": 1,
        },
        "job/api.shop.example/a": {
            "kind": "job",
            "sequence": 1,
            "state": "quarantined",
            "opened_at": 1763870400000,
            "expires_at": 1763871300000,
            "changed_at": 1763870400000,
            "episode": 1,
            "job_id": "a",
        },
    },
    "findings": {
        "target_alarm/page": {
            "finding": {
                "finding_id": "fnd-target_alarm-1",
                "kind": "target_alarm",
                "severity": "page",
                "at_ms": 1763870400000,
                "summary": "api.shop.example answers 400 far more often than 0.01% of requests, over 2 jobs",
                "target": "api.shop.example",
                "jobs": ["extract-098", "extract-099"],
            },
            "ends_at": 1763884800000,
        }
    },
    "finding_ids": ["fnd-target_alarm-1"],
    "subsumed": True,
    "told": {
        "pager": {
            "route": "oncall",
            "action": "trigger",
            "severity": "page",
            "digest": "2c11bf9377792773",
            "episode": 1,
            "first_at": 1763870460000,
            "at": 1763870460000,
            "undelivered": True,
        }
    },
    "escalated_to": ["pages"],
}

NOTIFICATION: dict[str, Any] = {
    "id": "ntf-12aa4e8ca70269bbfe626194ec03d70a",
    "dedup_key": "halt400/api.shop.example/malformed_json",
    "incident": "api.shop.example/malformed_json",
    "episode": 1,
    "digest": "2c11bf9377792773",
    "action": "trigger",
    "severity": "page",
    "route": "oncall",
    "title": "api.shop.example is halted as a whole: malformed_json",
    "target": "api.shop.example",
    "cause": "malformed_json",
    "what": "400 Bad Request to POST of job None on api.shop.example",
    "opened_at": 1763870400000,
    "at": 1763870460000,
    "ends_at": 1763871300000,
    "open_scopes": 2,
    "scopes": ["target/api.shop.example", "job/api.shop.example/a"],
    "owner": "team-shop",
    "blame": "request",
    "confidence": 0.98,
    "remedy": "Close the object: a brace is missing at the end of the body.",
    "evidence": ['body line 3 column 7: unexpected end: {"sku": 1'],
    "windows": [
        {
            "window_s": 3600,
            "start": 1763866800000,
            "end": 1763870400000,
            "responses": 7200,
            "bad_requests": 12,
            "bad_request_ratio": 0.0016666666666666668,
        }
    ],
    "saved": {"requests": 120, "per_s": 2.0, "window_s": 3600, "halted_s": 60},
    "not_sent": {"requests": 3, "gates": 1},
    "archive_uri": "file:///var/lib/halt400/api.shop.example/1.har",
    "release_commands": [
        'halt400 release target/api.shop.example --reason "..."',
        'halt400 release job/api.shop.example/a --reason "..."',
    ],
    "findings": [
        {
            "finding_id": "fnd-target_alarm-1",
            "kind": "target_alarm",
            "severity": "page",
            "at_ms": 1763870400000,
            "summary": "api.shop.example answers 400 far more often than 0.01% of requests, over 2 jobs",
            "target": "api.shop.example",
            "jobs": ["extract-098", "extract-099"],
        }
    ],
    "acknowledge_command": "halt400 alerts ack api.shop.example/malformed_json",
}


def test_a_row_and_a_notification_are_encoded_as_ever() -> None:
    found = incidents(command(None, signature="f" * 32), command("a"), finding())
    one, now = only(found), T0 + MINUTE
    step = PlannedDelivery("pager", Route("oncall", ("pager",)), "trigger", now)
    notification = compose(one, step, "team-shop", now, str, NotSent(requests=3, gates=1))
    found.record_sent(one.key, "pager", last_sent_after(notification, None, accepted=False))
    found.acknowledge(one.key, Acknowledgement(by="alice", at=T0 + 1))
    found.cover_by_fleet_fault(one.key)
    found.escalate(one.key, "pages")
    assert json.loads(encode_incident(one)) == ROW
    assert json.loads(msgspec.json.encode(notification)) == NOTIFICATION


def test_a_row_and_a_notification_are_encoded_as_they_were_decoded() -> None:
    assert json.loads(encode_incident(decode_incident(json.dumps(ROW)))) == ROW
    assert json.loads(msgspec.json.encode(decode_notification(json.dumps(NOTIFICATION)))) == NOTIFICATION


def test_an_acknowledgement_is_encoded_as_ever() -> None:
    assert json.loads(msgspec.json.encode(Acknowledgement(by="alice", at=T0))) == {"by": "alice", "at": T0}
