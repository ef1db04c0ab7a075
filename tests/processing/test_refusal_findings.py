"""Of refused records people are told once a day and code, by whichever worker reads them."""

from streams.processing.decoding import Record, Refusal
from streams.processing.refusal_findings import RefusalFindings

DAY_S = 86_400.0


class Calendar:
    now_s = 20_000 * DAY_S

    def __call__(self) -> float:
        return self.now_s


def refusal(offset: int, code: str = "wrong_partition") -> Refusal:
    return Refusal(Record(offset, 0, b"api.shop.example", b"{"), code, "publish with the murmur2 partitioner")


def test_a_code_is_found_once_a_day() -> None:
    calendar = Calendar()
    findings = RefusalFindings(calendar)
    found = []
    for hour in range(72):
        calendar.now_s = 20_000 * DAY_S + 3_600 * hour
        found += [
            findings.find("responses", 3, refusal(hour)),
            findings.find("responses", 3, refusal(hour, "not_json")),
        ]
    told = [finding for finding in found if finding is not None]
    assert [finding.value for finding in told] == ["wrong_partition", "not_json"] * 3
    assert len({finding.finding_id for finding in told}) == 6
    assert told[0].summary == (
        "Records on responses are refused (wrong_partition): they are not counted and halt nothing. One of them, "
        "partition 3, offset 0: publish with the murmur2 partitioner."
    )


def test_two_workers_find_the_same_on_one_day() -> None:
    calendar = Calendar()
    one, other = RefusalFindings(calendar), RefusalFindings(calendar)
    calendar.now_s += 3_600
    found, again = one.find("responses", 3, refusal(7)), other.find("responses", 1, refusal(12))
    assert found is not None
    assert again is not None
    assert found.finding_id == again.finding_id
