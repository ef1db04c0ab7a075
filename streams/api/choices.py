"""The values that the HTTP API and the command line accept for windows, states and the sort order of lists."""

from typing import Literal

__all__ = ["DlqName", "SortKey", "SpanName", "State", "StepName", "WindowName"]

WindowName = Literal["1m", "5m", "15m", "1h", "6h", "24h"]
SpanName = Literal["15m", "1h", "6h", "24h"]
StepName = Literal["5s", "1m", "5m", "15m", "1h"]
DlqName = Literal["responses.dlq", "alerts.dlq"]
State = Literal["quarantined", "probing", "released"]
SortKey = Literal[
    "target",
    "-target",
    "responses",
    "-responses",
    "bad_requests",
    "-bad_requests",
    "bad_request_ratio",
    "-bad_request_ratio",
    "last_bad_request",
    "-last_bad_request",
]
