import orjson
import pytest

from .conftest import Api, known_place
from .fleet import COMMANDS, FINDINGS, NOW_MS, SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

INCIDENT = "api.shop.example/malformed_json"


async def test_the_newest_offences_come_first_with_their_diagnosis(api: Api) -> None:
    page = await api.get("/v1/offences")
    assert [found["time"] for found in page["offences"]] == [NOW_MS - 9998, NOW_MS - 9999, NOW_MS - 10_000]
    assert (page["total"], page["kept"], page["skipped"], page["stale"]) == (3, 3, 0, False)
    oldest = page["offences"][-1]
    assert (oldest["job_id"], oldest["release"], oldest["proxy"]) == ("extract-099", "2025.12.1", "proxy-7")
    assert oldest["diagnosis"]["evidence"][0]["detail"] == "trailing comma"
    assert oldest["source"]["offset"] == 4711


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("target=api.shop.example", 3),
        ("target=maps.example", 0),
        ("job_id=extract-099&cause=malformed_json", 2),
        ("cause=unknown", 1),
        ("opens=true", 1),
        ("opens=false", 2),
        (f"command_id={COMMANDS[0].command_id}", 2),
        (f"since={NOW_MS - 9999}", 2),
        (f"until={NOW_MS - 9999}", 1),
        ("limit=1&offset=2", 1),
    ],
)
async def test_offences_are_filtered(api: Api, query: str, count: int) -> None:
    assert len((await api.get(f"/v1/offences?{query}"))["offences"]) == count


async def test_an_offence_has_its_request_as_archived_and_a_har(api: Api) -> None:
    (place,) = [found["id"] for found in (await api.get("/v1/offences?opens=true"))["offences"]]
    answer = await api.get(f"/v1/offences/{place}")
    request = answer["offence"]["event"]["request"]
    assert request["body"].startswith('{"page": 0, "password": "')
    assert request["body"].endswith(",}"), "what is broken stays broken"
    (entry,) = answer["har"]["log"]["entries"]
    assert entry["request"]["method"] == "POST"
    assert entry["response"]["status"] == 400


@pytest.mark.parametrize("path", ["/v1/offences", "/v1/offences/{id}", "/v1/dead-letters/{topic}/{id}"])
async def test_no_answer_has_a_secret(api: Api, path: str) -> None:
    assert SECRET not in orjson.dumps(await api.get(known_place(api, path))).decode()
    for letter in (await api.get("/v1/dead-letters"))["dead_letters"]:
        answer = await api.get(f"/v1/dead-letters/responses.dlq/{letter['id']}")
        assert SECRET not in orjson.dumps(answer).decode()


@pytest.mark.parametrize("place", ["9-0", "0-999999", "0--1", "x", "99999999999999999999-1", "0-99999999999999999999"])
async def test_a_record_that_is_not_there_is_a_problem(api: Api, place: str) -> None:
    for path in ("/v1/offences", "/v1/dead-letters/responses.dlq", "/v1/dead-letters/none"):
        assert (await api.get(f"{path}/{place}", 404))["code"] == "unknown_record"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["fnd-2", "fnd-1"]),
        ("kind=fleet_fault", ["fnd-2"]),
        ("severity=ticket", ["fnd-1"]),
        ("target=api.shop.example", ["fnd-2", "fnd-1"]),
        ("target=maps.example", ["fnd-2"]),
        ("job_id=extract-099", ["fnd-1"]),
        (f"until={NOW_MS - 8_500}", ["fnd-1"]),
    ],
)
async def test_findings_are_listed_and_filtered(api: Api, query: str, ids: list[str]) -> None:
    found = (await api.get(f"/v1/findings?{query}"))["findings"]
    assert [finding["finding_id"] for finding in found] == ids
    assert found[0]["summary"] in {finding.summary for finding in FINDINGS}


async def test_dead_letters_say_why_and_from_where(api: Api) -> None:
    (letter,) = (await api.get("/v1/dead-letters?error=invalid_event"))["dead_letters"]
    assert letter["message"] == "invalid_event: not taken"
    assert letter["source"] == {"topic": "responses", "partition": 2, "offset": 17}
    assert letter["key"] == "api.shop.example"
    assert (await api.get("/v1/dead-letters?topic=alerts.dlq"))["total"] == 0
    assert (await api.get("/v1/dead-letters"))["total"] == 2


async def test_a_large_dead_letter_that_is_no_text_is_cut_and_shown_as_text(api: Api) -> None:
    (letter,) = (await api.get("/v1/dead-letters?error=undecodable"))["dead_letters"]
    answer = await api.get(f"/v1/dead-letters/responses.dlq/{letter['id']}")
    assert answer["value_truncated"] is True
    assert letter["size_bytes"] == 80_000
    assert letter["key"] == "\ufffd"


async def test_open_incidents_are_listed_with_the_key_that_acknowledges_them(api: Api) -> None:
    page = await api.get("/v1/incidents")
    assert [found["key"] for found in page["incidents"]] == [INCIDENT]
    (incident,) = page["incidents"]
    assert incident["scopes"] == ["job/api.shop.example/extract-099"]
    assert (incident["open_scopes"], incident["jobs"], incident["acknowledged"]) == (1, 1, None)
    assert incident["not_sent"] == {"requests": 5015, "gates": 2}
    assert [sent["sink"] for sent in incident["sent"]] == ["channel"]
    assert (await api.get(f"/v1/incidents/{INCIDENT}"))["incident"] == incident


async def test_a_closed_incident_says_by_whom_and_why(api: Api) -> None:
    (incident,) = (await api.get("/v1/incidents?state=closed"))["incidents"]
    assert (incident["target"], incident["closed_by"], incident["closing_reason"]) == (
        "maps.example",
        "alice",
        "mended",
    )
    assert (await api.get("/v1/incidents?state=all&target=maps.example&cause=malformed_json"))["total"] == 1
    assert (await api.get("/v1/incidents/ack/api.shop.example/none", 404))["code"] == "unknown_incident"


@pytest.mark.parametrize(
    ("query", "sinks"),
    [("", ["oncall", "channel"]), ("undelivered=true", ["oncall"]), ("sink=channel", ["channel"]), ("target=a", [])],
)
async def test_what_was_sent_is_listed(api: Api, query: str, sinks: list[str]) -> None:
    assert [alert["sink"] for alert in (await api.get(f"/v1/alerts?{query}"))["alerts"]] == sinks


async def test_every_answer_says_how_old_it_is(api: Api) -> None:
    for path in ("/v1/targets", "/v1/quarantines", "/v1/quarantines/target/maps.example", "/v1/findings", "/v1/alerts"):
        async with api.http.get(api.server.url + path) as response:
            assert NOW_MS - int(response.headers["Halt400-As-Of"]) < 5_000
            assert 0 <= int(response.headers["Age"]) < 5
