"""Refused records are logged with their number, and a flood of them is a line a minute."""

import pytest

from streams.processing.decoding import Record, Refusal
from streams.processing.refusal_log import RefusalLog


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def refusal(offset: int, code: str = "not_json") -> Refusal:
    return Refusal(Record(offset, 0, b"api.shop.example", b"{"), code, f"what is wrong at {offset}")


def test_a_code_is_logged_at_once_and_then_once_a_minute_with_all_that_came(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = RefusalLog("responses.dlq", clock)
    for second in range(120):
        clock.now_s = 1_000.0 + second
        for number in range(5):
            refusals.count("responses", 3, refusal(5 * second + number))
        refusals.report()
    assert caplog.messages == [
        "Refused and sent to responses.dlq: 5 records of responses (not_json). "
        "The last one: partition 3, offset 4: what is wrong at 4",
        "Refused and sent to responses.dlq: 300 records of responses (not_json). "
        "The last one: partition 3, offset 304: what is wrong at 304",
    ]
    assert {entry.levelname for entry in caplog.records} == {"WARNING"}


def test_each_topic_and_code_has_its_own_line(caplog: pytest.LogCaptureFixture) -> None:
    refusals = RefusalLog("responses.dlq", Clock())
    refusals.count("responses", 0, refusal(1))
    refusals.count("responses", 0, refusal(2, "key_mismatch"))
    refusals.count("operations", 0, refusal(3))
    refusals.report()
    refusals.report()
    assert [message.partition(". The last")[0] for message in caplog.messages] == [
        "Refused and sent to responses.dlq: 1 record of responses (not_json)",
        "Refused and sent to responses.dlq: 1 record of responses (key_mismatch)",
        "Refused and sent to responses.dlq: 1 record of operations (not_json)",
    ]
