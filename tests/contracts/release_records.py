"""Records and rows as a release writes them: ``python -m tests.contracts.release_records`` keeps them for later ones.

Run it once for each release, after its version is set; the file never changes again. A line is one record: topic, key
and value in Base64, and for a row what it counts.
"""

import base64
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from halt400.records import Operation, Scope
from streams.fleet_cap.log import GrantEnded, encode_fleet_record
from tests.alerts.examples import command as make_command
from tests.alerts.examples import finding, incidents
from tests.api.fleet import COMMANDS, FINDINGS, OFFENCES, REPORTS
from tests.processing.test_partition import NOW, apply, event, record, state

__all__ = ["RELEASES", "StoredRecord"]

RELEASES = Path(__file__).parent / "releases"
_encode = msgspec.json.Encoder().encode


class StoredRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a file of `RELEASES`; `totals` are the counts of a row."""

    topic: str
    key: str
    value: str
    totals: dict[str, int] = {}

    @classmethod
    def of(cls, topic: str, key: bytes, value: bytes, **fields: Any) -> "StoredRecord":
        return cls(topic=topic, key=base64.b64encode(key).decode(), value=base64.b64encode(value).decode(), **fields)

    def data(self) -> tuple[bytes, bytes]:
        """Key and value as on Kafka."""
        return base64.b64decode(self.key), base64.b64decode(self.value)


def records() -> Iterator[StoredRecord]:
    """One or more records of every topic that later releases read."""
    partition = state()
    for offset, status in enumerate((200, 200, 301, 400, 400, 429, 503)):
        value = event(status, job_id=f"job-{offset % 2}") | {"id": f"e{offset}"}
        yield StoredRecord.of("responses", b"api.shop.example", _encode(value))
        outcome = apply(partition, record(offset, value))
        for offence in outcome.offences:
            yield StoredRecord.of("offences", offence.target.encode(), _encode(offence))
        for command in outcome.commands:
            yield StoredRecord.of("control", command.scope.id.encode(), _encode(command))
    totals = {name: row.totals() for name, row in partition.rows().items()}
    for key, row in partition.take_changed():
        yield StoredRecord.of("rates", key, row, totals=totals[key.decode()])
    for command in COMMANDS:
        yield StoredRecord.of("control", command.scope.id.encode(), _encode(command))
    for offence in OFFENCES:
        yield StoredRecord.of("offences", offence.target.encode(), _encode(offence))
    for one in FINDINGS:
        yield StoredRecord.of("findings", (one.target or "fleet").encode(), _encode(one))
    for report in REPORTS:
        yield StoredRecord.of("savings", report.gate.encode(), _encode(report))
    yield StoredRecord.of("fleet", b"", encode_fleet_record(GrantEnded(target="api.shop.example", grant_id="g-1")))
    scope = Scope(kind="job", target="api.shop.example", job_id="job-0")
    for kind in ("release", "extend", "quarantine", "probe", "probe_result"):
        operation = Operation(
            operation_id=f"op-{kind}",
            time=NOW,
            kind=kind,
            scope=scope,
            actor="ada",
            reason="mended",
            hold_s=60,  # type: ignore[arg-type]
        )
        yield StoredRecord.of("operations", scope.target.encode(), _encode(operation))
    found = incidents(make_command("a"), make_command("b", cause="missing_required_header"), make_command(None))
    found.apply_finding(finding("target_alarm"), NOW)
    for key, row in found.take_changed():
        yield StoredRecord.of("alerts", key.encode(), row)


def main() -> None:
    """Write the file of this release."""
    path = RELEASES / f"{version('halt400')}.jsonl"
    if path.exists():
        sys.exit(f"{path} is there: what a release wrote does not change.")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(_encode(one) + b"\n" for one in records()))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
