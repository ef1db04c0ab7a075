"""Commands as the service issues them, for the tests of those who obey."""

import msgspec

from halt400.records import Command, Scope

TARGET, JOB = "api.shop.example", "extract-099"


def command(sequence: int = 1, state: str = "quarantined", kind: str = "job", **more: object) -> Command:
    names = {"job": {"job_id": JOB}, "target": {}, "request": {"fingerprint": "f00d"}}[kind]
    return Command(
        **{
            "command_id": f"c-{kind}-{sequence}",
            "scope": Scope(kind=kind, target=TARGET, **names),  # type: ignore[arg-type]
            "sequence": sequence,
            "state": state,
            "reason": "HTTP 400",
            "issued_by": "test",
            "opened_at": 1000,
            "issued_at": 1000 + sequence,
            "expires_at": 4_000_000_000_000,
            **more,
        }  # type: ignore[arg-type]
    )


def record(issued: Command) -> tuple[bytes, bytes]:
    return issued.scope.id.encode(), msgspec.json.encode(issued)
